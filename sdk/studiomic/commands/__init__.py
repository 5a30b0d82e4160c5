"""The subcommands of `studiomic`, one a module: each adds its parser and runs."""
