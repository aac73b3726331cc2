"""The token strip: a result as data for the browser, and as one HTML page.

payload    the data
page       script, style sheet, and pages that need nothing else
modules    ES modules of assets/ joined into one script
graphemes  where characters and words begin, as a reader sees them
"""
