"""What the pages are made of; Streamlit runs the pages, these modules are imported once."""
