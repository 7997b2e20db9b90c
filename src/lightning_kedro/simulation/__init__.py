"""The simulated archive: storms, what a satellite records of them, and true LCFA files of it.

``storms`` says which flashes there are, ``observation`` what a satellite records of them,
``granule_writer`` how a file is written (the format itself is data: ``lcfa.yaml`` and
``lcfa_revisions.yaml``), ``hour`` makes the files of an hour, with the faults that real archives
have, and ``truth`` tells which storm each flash of them came from.
"""
