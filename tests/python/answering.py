"""How a script ends: its answer as one line of JSON, and then at once.

pyarrow's own threads may still run when the interpreter takes itself down, which has ended in `terminate called without an
active exception` after everything was said. An answer that was given is the end of the script.
"""

import json
import os


def answer(value):
    print(json.dumps(value, default=str), flush=True)
    os._exit(0)
