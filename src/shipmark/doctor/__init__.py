"""What is wrong on this host: one check a file, each with a finding and its mend.

`checks` is the table of them, `examine` runs them side by side. What can be tried is tried: a
setting says what should be, a trial what is.
"""
