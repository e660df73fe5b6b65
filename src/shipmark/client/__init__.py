"""Asking a served model over HTTP; for the command line, for checks, and for other programs.

with Client("http://127.0.0.1:8080") as client:
    answer = client.predict({"features": [[5.1, 3.5, 1.4, 0.2]]})
"""

from shipmark.client.address import Address
from shipmark.client.answer import Answer
from shipmark.client.body import Body, body_of, sniffed
from shipmark.client.failures import printable
from shipmark.client.prediction import Client, predict

__all__ = ["Address", "Answer", "Body", "Client", "body_of", "predict", "printable", "sniffed"]
