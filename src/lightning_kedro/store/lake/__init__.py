"""The lake: flashes, granules and coverage as Delta tables of Parquet, in a folder or on S3.

.. code-block:: text

    lake/
      flashes/platform=Gnn/date=2024-07-14/22-<digest>.parquet      one an archive hour
      granules/platform=Gnn/date=2024-07-14/<digest>.parquet        one a day
      coverage/platform=Gnn/date=2024-07-14/<digest>.parquet        one a day
      */_delta_log/                                                 what of it counts

Objects are written by workers, and count from the moment at which a client's commit names them:
readers go by the log, never by what lies there. An object never changes; an hour that grows gets
another one, and the commit that adds it removes the former one.
"""
