"""The Open Inference Protocol v2: its messages, and its two encodings of tensors. Pure.

Server, client and router use it alike; only `arrays` needs numpy.
"""
