"""Pure builders of Plotly figures: results of the engine in, a figure out. Nothing here knows Streamlit."""
