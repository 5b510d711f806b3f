"""The dashboard in the browser: `fxbench dashboard` serves it with Streamlit.

`app` is the script that Streamlit runs; each page is a module of its own. What is not Streamlit's
stands in `setup`, `uploads`, `filming` and `perturbing`: it can be used and tested without a
browser.
"""
