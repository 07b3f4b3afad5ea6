"""`brainbench data`: lists, shows, fetches, checks, imports and removes data sets."""

from __future__ import annotations

import typer

from brainbench.cli import data_add, data_get, data_list

app = typer.Typer(no_args_is_help=True, help="Get data sets onto this machine, and check them.")
app.command("add")(data_add.add)
app.command("list")(data_list.list_)
app.command("show")(data_list.show)
app.command("fetch")(data_get.fetch)
app.command("verify")(data_list.verify)
app.command("import")(data_get.import_)
app.command("remove")(data_get.remove)


@app.callback()
def _data() -> None:
    pass
