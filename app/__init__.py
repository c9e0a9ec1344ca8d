"""The Streamlit pages and the terminal commands of Spar."""
