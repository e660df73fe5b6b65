"""Inference in processes of its own, for models that hold the interpreter's lock.

Bodies go to a process and answers come back as they are on the wire, through shared memory; the
process decodes, predicts and encodes, so that none of it takes time of the HTTP process.
"""
