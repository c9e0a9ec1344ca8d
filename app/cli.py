"""The ``spar`` command line. Everything heavy is imported inside the command that needs it.

Results go to standard output, progress and problems to standard error. Exit 0 on success, 2 on a
usage error, 1 on a failure with one sentence; ``--debug`` shows the traceback.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.errors import SparError, WhoIsCandidateError
from agent.plans import MAX_MINUTES, MIN_MINUTES
from knowledge.errors import KnowledgeError

Kind = Literal["case", "portfolio", "stage"]
LevelName = Literal["mid", "senior", "staff"]
StyleName = Literal["quiet", "neutral", "supportive", "challenging"]
StageName = Literal["framing", "metrics", "data", "modeling", "serving", "validation", "operations"]
RoleName = Literal["ml-engineer", "data-scientist"]
Engine = Literal["offline", "openai"]
Format = Literal["md", "json", "html"]
CorpusName = Literal["packaged", "user", "all"]

app = typer.Typer(
    name="spar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A mock interviewer for machine learning system design interviews. Works with no key.",
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EngineOption = Annotated[
    Engine | None,
    typer.Option(help="offline needs no key; openai is any compatible endpoint, see spar doctor."),
]


@app.command("app", epilog="Example: spar app --port 8502")
def serve(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8501,
) -> None:
    """Serve the app in the browser, on this machine only."""
    from app.serve import serve_app

    raise typer.Exit(serve_app(port))


@app.command(epilog="Example: spar interview --level mid --minutes 12")
def interview(
    kind: Annotated[
        Kind, typer.Option(help="A whole case, one stage of it, or a project of your own.")
    ] = "case",
    case: Annotated[
        str | None, typer.Option(help="Case id; spar case lists them. Default: fraud-checkout.")
    ] = None,
    stage: Annotated[StageName | None, typer.Option(help="With --kind stage.")] = None,
    level: Annotated[LevelName, typer.Option()] = "senior",
    style: Annotated[
        StyleName | None, typer.Option(help="Default: quiet at senior, else neutral.")
    ] = None,
    minutes: Annotated[
        int, typer.Option(help="12, 25, 45 or another length.", min=MIN_MINUTES, max=MAX_MINUTES)
    ] = 12,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT|FILE", help="A prompt of your own in place of a case."),
    ] = None,
    role: Annotated[
        RoleName | None, typer.Option(help="Shifts minutes and questions, never scores.")
    ] = None,
    job: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A job description: chooses case and emphasis."),
    ] = None,
    engine: EngineOption = None,
    seed: Annotated[int | None, typer.Option(help="Fixes the case's hidden version.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="INTERVIEW", help="Go on with one.")] = None,
    transcript_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the transcript (JSON) there.")
    ] = None,
) -> None:
    """Practise an interview here.

    A blank line or /send submits; /hint /skip /repeat /redo /done, alone, are commands.
    """
    from app.engines import check_engine

    if kind == "stage" and stage is None:
        raise typer.BadParameter("Say which stage to practise (--stage).")
    chosen = check_engine(engine)
    from agent.service import FIRST_CASE, Setup
    from app.interviewing import Wish, run_interview

    if job is not None and not job.is_file():
        raise typer.BadParameter(f"There is no file {job}.")
    if prompt is not None and case is not None:
        raise typer.BadParameter("Give a case or a prompt, not both.")
    setup = Setup(
        case_id=None if prompt is not None else case or FIRST_CASE,
        prompt=prompt,
        kind=kind,
        stage=stage,
        level=level,
        style=style,
        minutes=minutes,
        seed=seed,
        role=role,
        engine=chosen,
    )
    wish = Wish(
        resume=resume,
        engine=engine,
        transcript_out=transcript_out,
        job=job,
        choose_case=case is None and prompt is None,
    )
    run_interview(setup, wish)


@app.command(epilog="Example: spar grade interview.txt --candidate Ana --json")
def grade(
    what: Annotated[
        str | None, typer.Argument(metavar="FILE|INTERVIEW", help="A transcript or an interview.")
    ] = None,
    case: Annotated[str | None, typer.Option(help="Case id, if the transcript names none.")] = None,
    level: Annotated[LevelName | None, typer.Option()] = None,
    candidate: Annotated[str | None, typer.Option(help="Who is graded.")] = None,
    engine: EngineOption = None,
    as_json: JsonFlag = False,
    save: Annotated[bool, typer.Option("--save", help="Keep the transcript and grade.")] = False,
    batch: Annotated[
        Path | None, typer.Option(metavar="IN.jsonl", help="Grade one line after the other.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="OUT.jsonl")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Grade only what OUT lacks.")] = False,
) -> None:
    """Grade a transcript, a kept interview, or a batch of either."""
    from app.engines import check_engine

    if batch is not None and (out is None or what is not None):
        raise typer.BadParameter("--batch IN.jsonl needs --out OUT.jsonl and no FILE.")
    if batch is None and what is None:
        raise typer.BadParameter("Name a FILE or an INTERVIEW.")
    chosen = check_engine(engine)
    from app import grading_cmd as command

    if batch is not None and out is not None:
        command.grade_batch(batch, out, chosen, resume=resume)
    if what is None:
        return
    request = command.Request(what, case, level, candidate, as_json, save, engine)
    command.grade_one(request)


@app.command(epilog="Example: spar review 3f2a90c1b7de")
def review(
    interview_id: Annotated[
        str | None, typer.Argument(metavar="[INTERVIEW]", help="None: list them.")
    ] = None,
    as_json: JsonFlag = False,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="Also the turns, quotes marked.")
    ] = False,
) -> None:
    """List past interviews, or read one's report."""
    from app import records_cmd as command

    if interview_id is None:
        command.list_interviews(as_json=as_json)
    else:
        command.show_review(interview_id, as_json=as_json, transcript=transcript)


@app.command(epilog="Example: spar export 3f2a90c1b7de --format html --out review.html")
def export(
    interview_id: Annotated[str, typer.Argument(metavar="INTERVIEW")],
    file_format: Annotated[Format, typer.Option("--format", help="md, json or html.")] = "md",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: standard output.")
    ] = None,
) -> None:
    """Write an interview as Markdown, JSON (the transcript) or HTML."""
    from app import records_cmd as command

    command.export_interview(interview_id, file_format, out)


@app.command("import", epilog="Example: spar import interview.txt --candidate Ana")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    case: Annotated[str | None, typer.Option(help="Case id, if the transcript names none.")] = None,
    level: Annotated[LevelName | None, typer.Option()] = None,
    candidate: Annotated[str | None, typer.Option(help="Who is graded.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep a transcript with its grade; the same as grade --save."""
    if not file.is_file():
        raise typer.BadParameter(f"There is no file {file}.")
    from app import grading_cmd as command

    request = command.Request(str(file), case, level, candidate, as_json, True, None)
    command.grade_one(request)


@app.command(epilog="Example: spar delete 3f2a90c1b7de --yes")
def delete(
    interview_id: Annotated[str, typer.Argument(metavar="INTERVIEW")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an interview with its grades."""
    from app import records_cmd as command

    command.delete_interview(interview_id, yes=yes)


@app.command(epilog='Example: spar search "when do fraud labels arrive" -k 3 --json')
def search(
    query: Annotated[str | None, typer.Argument()] = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.", min=1, max=100)] = 5,
    corpus: Annotated[CorpusName, typer.Option()] = "all",
    as_json: JsonFlag = False,
    batch: Annotated[
        Path | None, typer.Option(metavar="QUERIES.txt", help="One query a line.")
    ] = None,
) -> None:
    """Search the guide: claims with episode, speaker and minute."""
    if (query is None) == (batch is None):
        raise typer.BadParameter("Give one QUERY, or --batch QUERIES.txt.")
    from app import search_cmd as command

    command.search(query, batch, k=k, corpus=corpus, as_json=as_json)


@app.command(epilog="Example: spar ingest ~/podcasts/_podcast notes.md")
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.")],
    as_json: JsonFlag = False,
) -> None:
    """Take in your own podcasts and guides (.md, .txt, .srt, .vtt, .pdf); again is safe."""
    from app import sources_cmd as command

    raise typer.Exit(command.take_in(paths, as_json=as_json))


sources_app = typer.Typer(
    name="sources",
    help="Your own podcasts and guides: list them, read one, forget one.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: spar sources remove my-episode-3fa9c1 --yes",
)
app.add_typer(sources_app)


@sources_app.callback()
def sources(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List what was ingested."""
    if context.invoked_subcommand is None:
        from app import sources_cmd as command

        command.list_sources(as_json=as_json)


@sources_app.command("show", epilog="Example: spar sources show my-episode-3fa9c1")
def sources_show(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE")], as_json: JsonFlag = False
) -> None:
    """One source, passage by passage."""
    from app import sources_cmd as command

    command.show_source(source_id, as_json=as_json)


@sources_app.command("remove", epilog="Example: spar sources remove my-episode-3fa9c1 --yes")
def sources_remove(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a source; its file is not touched."""
    from app import sources_cmd as command

    command.remove_source(source_id, yes=yes)


case_app = typer.Typer(
    name="case",
    help="The cases there are; write, check and try one of your own.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: spar case check my-case",
)
app.add_typer(case_app)


@case_app.callback()
def case(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the cases."""
    if context.invoked_subcommand is None:
        from app import case_cmd as command

        command.list_cases(as_json=as_json)


@case_app.command("new", epilog="Example: spar case new my-case")
def case_new(case_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Start a case of your own from a small one that works."""
    from app import case_cmd as command

    command.new_case(case_id)


@case_app.command("check", epilog="Example: spar case check my-case")
def case_check(
    name: Annotated[str, typer.Argument(metavar="ID|FOLDER")], as_json: JsonFlag = False
) -> None:
    """List what is to mend, by file, entry and field."""
    from app import case_cmd as command

    raise typer.Exit(command.check(name, as_json=as_json))


@case_app.command("preview", epilog='Example: spar case preview my-case "I would start with ..."')
def case_preview(
    name: Annotated[str, typer.Argument(metavar="ID|FOLDER")],
    answers: Annotated[
        list[str] | None, typer.Argument(metavar="[ANSWER]...", help="Up to three.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try answers: what each is credited with, and what is asked next."""
    from app import case_cmd as command

    command.preview(name, answers or [], as_json=as_json)


@app.command(epilog="Example: spar doctor --json")
def doctor(
    as_json: JsonFlag = False,
    look: Annotated[
        bool, typer.Option("--look", help="Look for a model server on this machine's usual ports.")
    ] = False,
) -> None:
    """Say which engine is active and why, and whether everything Spar needs works."""
    from app.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json, look_around=look))


def main() -> None:
    """Entry point: one sentence instead of a traceback, unless ``--debug`` is given."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.argv[1:] = [a for a in arguments if a != "--debug"]
    try:
        app()
    except WhoIsCandidateError as error:
        _fail(error, debug, 2)
    except (SparError, KnowledgeError) as error:
        _fail(error, debug, 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the outermost boundary: one sentence, exit 1
        _fail(error, debug, 1, "Spar failed unexpectedly")


def _fail(error: Exception, debug: bool, code: int, lead: str = "") -> None:
    if debug:
        raise error
    text = f"{lead} ({type(error).__name__}: {error}); --debug shows where." if lead else str(error)
    print(f"spar: {text}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
