"""`brainbench cache`: what the cache holds, and its removal."""

from __future__ import annotations

from typing import Annotated

import typer

from brainbench.cli import options

app = typer.Typer(help="Show and clear the cache.", no_args_is_help=True)


@app.command()
def info(as_json: options.AsJson = False) -> None:
    """Show where the cache is, its limit, and what it holds of each kind."""
    from brainbench.cli import console
    from brainbench.storage import cache

    kept = cache.default()
    contents = kept.contents()
    total = sum(nbytes for _, nbytes in contents.values())
    if as_json:
        kinds = {kind: {"files": n, "bytes": nbytes} for kind, (n, nbytes) in contents.items()}
        console.print_json(
            {"folder": str(kept.folder), "limit_gb": kept.max_gb, "bytes": total, "kinds": kinds}
        )
        return
    facts = {"folder": str(kept.folder), "limit": f"{kept.max_gb:g} GB ({cache.LIMIT})"}
    facts |= {kind: f"{n} files, {nbytes / 1e9:.3f} GB" for kind, (n, nbytes) in contents.items()}
    console.print_facts({**facts, "all": f"{total / 1e9:.3f} GB"})


@app.command()
def clear(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND...]", help="As `info` names them; all by default."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove what the cache holds; it is computed or downloaded again when it is needed. Asks first.

    Exit status: 0; 1 where the answer is no; 2 for a kind that the cache does not have.
    """
    from brainbench.core.errors import unknown
    from brainbench.storage import cache

    kept = cache.default()
    contents = kept.contents()
    for kind in kinds or ():
        if kind not in contents:
            todo = "`brainbench cache info` shows what is there"
            raise unknown("kind of the cache", kind, list(contents), todo=todo)
    chosen = {kind: contents[kind] for kind in kinds or contents}
    n, nbytes = (sum(one[k] for one in chosen.values()) for k in range(2))
    if not yes:
        question = (
            f"Remove {n} files ({nbytes / 1e9:.3f} GB: {', '.join(chosen)}) of {kept.folder}?"
        )
        typer.confirm(question, abort=True, err=True)
    print(f"{kept.clear(chosen)} files removed")
