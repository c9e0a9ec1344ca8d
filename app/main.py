"""The Streamlit app: ``python -m streamlit run app/main.py`` from the repository's root."""

import streamlit as st

from app.ui.frame import HOME, PAST, PRACTICE, READING, REVIEW, SEARCH, guarded
from app.ui.look import CSS

st.set_page_config(page_title="Spar", layout="centered", initial_sidebar_state="auto")
st.html(CSS)
page = st.navigation(
    [
        st.Page(HOME, title="Spar", url_path="home", default=True),
        st.Page(PRACTICE, title="Interview", url_path="practice", visibility="hidden"),
        st.Page(REVIEW, title="Review", url_path="review", visibility="hidden"),
        st.Page(PAST, title="Past interviews", url_path="past"),
        st.Page(READING, title="Read the guide", url_path="reading"),
        st.Page(SEARCH, title="Search the guide", url_path="search"),
    ],
    position="top",
)
with guarded():
    page.run()
