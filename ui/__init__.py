"""What the pages share.

router           what every session runs first
navigation       the list of pages
startup          the first model loaded and the examples scored, before the first visitor
headers          security headers of every answer
engine_access    the one way from a page to the engine: pool, queue, results
progress         waiting in view, and Stop
downloads        models on their way to this machine
messages         what the engine refuses, as a message
model_picker     which model, at which precision
composer         which text
examples         the texts that come along
reading_options  how a text is read
selection        one selection of tokens for the charts, tables and strips of a page
components       components of our own, out of assets/
signs            signs for white space that layout does not show
strip            the token strip as a component
tables           results as tables
layout           headings, empty states, the style sheet
palette          colours
exports          results as files
address          choices that a link carries
links            the button that copies a link
machine          what the page of models shows of the machine
figures          charts
evaluation       parts of "Good enough?"
training         parts of "Train a bias"
lab              panels of the information lab
"""
