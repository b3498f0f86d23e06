"""What gunicorn imports: the application, with settings from the environment."""

from __future__ import annotations

import gc
import threading

from service.app import create_app
from service.settings import Settings

SETTLED_SECONDS = 20
"""Time after which all is loaded that stays, compiled kernels included: 130,000 objects."""

app = create_app(Settings.from_environment())

# A full garbage collection goes through all of them, 20 to 80 ms in which no thread answers; a large request, which
# makes many objects, sets off several. What is loaded is never garbage.
_settle = threading.Timer(SETTLED_SECONDS, gc.freeze)
_settle.daemon = True
_settle.start()
