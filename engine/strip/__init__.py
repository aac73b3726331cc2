"""The token strip: a result as data for the browser, and as one HTML page."""
