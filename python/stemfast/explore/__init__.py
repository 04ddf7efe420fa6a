"""Explorer in the browser: ``stemfast explore``.

A Bokeh server on this machine shows four pages. A folder for each has its state, which knows no
browser, in one file and its widgets in another; `server` opens the door, `tab` keeps what a tab of
the browser shows, `job` runs what takes long.
"""
