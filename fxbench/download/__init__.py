"""Downloads of single files: `addresses`, `web`, `part` and, from begin to end, `transfer`."""
