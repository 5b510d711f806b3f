"""What every plugin of a cloud service needs: each picture is asked about once, and paid for once.

A plugin writes a :class:`fxbench.cloud.service.Service`, which knows one vendor's protocol. The
rest is here: pictures are made to fit, answers are kept, calls are counted and timed.
"""
