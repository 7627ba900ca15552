"""Sources: the kinds of files and hubs that rows come from, one file each."""
