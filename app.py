"""The ASGI application: `python -m streamlit run app.py`.

Security headers for every answer, and the first model and examples scored ahead. The pages start in ui/router.py,
not here: beside a main script, a pages/ folder puts Streamlit in its old multipage mode.
"""

from starlette.middleware import Middleware
from streamlit import App

from ui import headers, startup

app = App("ui/router.py", middleware=[Middleware(headers.SecurityHeaders)], lifespan=startup.lifespan)
