"""The Open Inference Protocol v2 over HTTP.

The values of a model as its tensors:

=========================  ===============================================================
schema                     tensors
=========================  ===============================================================
Tensors                    those of the schema
Text, Binary, Json         `input` or `output`, BYTES [n]: n items; of Json its text
Tensors answered to items  those of the schema with an axis before the others, one row an item
=========================  ===============================================================
"""
