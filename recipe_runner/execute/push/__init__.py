"""Uploads what a run made to the Hugging Face hub.

`package` says what goes there, without a network; `upload` sends it. Requests, retries and
what an earlier try has sent are `huggingface_hub`'s business. Nothing that is pickled is
sent, no state of an optimizer, no path of this machine, and no secret.
"""
