"""Pure builders of Plotly figures: results of the engine in, a figure out. Nothing here knows Streamlit.

base        what every chart looks like
series      one text under one model, along the text
unity       two models on one text
evaluation  KL over a corpus, HellaSwag pairs, MAUVE
training    curves of a run, and the trade-off between runs
lab         charts of the information lab
"""
