"""The pages of the app; each file is run as a script by ``app/main.py``.

Not called ``pages``: Streamlit would find that folder by itself and, in the first session of a
server, run a page that is opened by its address without ``main.py`` around it.
"""
