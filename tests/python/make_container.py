"""Makes a container in an Azure Blob emulator: port, account, key, container. No SDK: one signed request."""

import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.error
import urllib.request

port, account, key, container = sys.argv[1:]
path = f"/{account}/{container}"
headers = {
    "x-ms-date": email.utils.formatdate(usegmt=True),
    "x-ms-version": "2023-11-03",
}
signed = "\n".join(
    ["PUT"] + [""] * 11 + [f"{name}:{headers[name]}" for name in sorted(headers)]
)
signed += f"\n/{account}{path}\nrestype:container"
digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
request = urllib.request.Request(
    f"http://127.0.0.1:{port}{path}?restype=container", method="PUT", headers=headers
)
# an empty body must not be announced with a content type, which would have to be signed
request.add_unredirected_header("Content-Length", "0")
try:
    print(urllib.request.urlopen(request, timeout=30).status)
except urllib.error.HTTPError as e:
    if e.code != 409:
        sys.exit(f"{e.code} {e.read().decode(errors='replace')[:2000]}\n{signed!r}")
