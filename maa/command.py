"""The command line: maa generate "a dog barking" -o dog.wav

Conventions: a failure is one line on the error stream, `maa: CODE: text`, and an exit status (see
    maa.errors; 130 after Ctrl-C); MAA_DEBUG=1 shows the traceback. Whatever takes seconds to import
    is imported by the functions that need it, so that help comes at once.
Notebook: 00_listen_first.
"""

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated

import typer

from maa import paper_commands
from maa.errors import MaaError, MaaWarning, one_line


class App(typer.Typer):
    """A typer application that ends in one line whatever goes wrong."""

    def __call__(self, arguments=None):
        """Run the command and exit; `arguments` are those of the process unless given."""
        # threads that wait sleep: when other programs were busy, spinning took 6 times as long
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        with warnings.catch_warnings():
            warnings.simplefilter("always", MaaWarning)
            warnings.showwarning = show_note
            sys.exit(status(typer.main.get_command(self), arguments))


def status(command, arguments):
    """Exit status of a command that is run; says in one line why it failed."""
    try:
        code = command.main(arguments, prog_name="maa", standalone_mode=False) or 0
        if code == 130:
            say("stopped; the sounds that were finished are kept")
        return code
    except Exception as fault:
        if os.environ.get("MAA_DEBUG") == "1":
            raise
        if isinstance(fault, MaaError):
            say(fault)
            return fault.exit_status
        if isinstance(fault, typer.TyperException):
            if text := fault.format_message().rstrip("."):  # none where help was shown instead
                say(f"P-USAGE: {text}; `maa --help` shows what is known")
            return fault.exit_code
        if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":
            say("P-MEMORY: the memory is full; ask for a shorter sound or free some")
            return 7
        say(f"E-UNEXPECTED: {type(fault).__name__}: {fault}; MAA_DEBUG=1 shows where it arose")
        return 1


def say(text):
    print(f"maa: {one_line(str(text))}", file=sys.stderr)


def show_note(message, category, *_):
    if issubclass(category, MaaWarning) or os.environ.get("MAA_DEBUG") == "1":
        say(message)


app = App(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
OutputFile = Annotated[
    Path, typer.Option("--output", "-o", help="Sound file: .wav, .flac or .ogg.")
]
Seconds = Annotated[
    float | None, typer.Option(help="Length of a sound.", show_default="as trained")
]
Seed = Annotated[
    int | None, typer.Option(help="Same seed, same sound.", show_default="at random")
]
ModelFolder = Annotated[
    Path | None,
    typer.Option(help="Folder of a pipeline.", show_default="the best one in results/"),
]
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda.", show_default="cuda if there is one")
]


@app.callback()
def about():
    """Make-An-Audio: a sentence goes in, sound comes out."""


@app.command()
def generate(
    prompt: Annotated[list[str], typer.Argument(help="What to hear; one sentence or several.")],
    output: OutputFile = Path("sound.wav"),
    seconds: Seconds = None,
    steps: Annotated[int, typer.Option(help="Denoising; ddim: 100, divisors of 1000.")] = 25,
    guidance: Annotated[float, typer.Option(help="1 is plain, and twice as fast.")] = 3.0,
    seed: Seed = None,
    sampler: Annotated[str, typer.Option(help="ddim or dpm++.")] = "dpm++",
    model: ModelFolder = None,
    count: Annotated[int, typer.Option(help="Sounds for each prompt, in numbered files.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    device: Device = None,
):
    """Write sounds made from sentences.

    maa generate "a dog barking" "heavy rain on a roof" --count 2 -o sounds.wav
    """
    output_files(output, 1, force=True)  # the ending is wrong sooner than torch is imported
    from maa import loading, requests, sounds

    each = requests.whole(count, "--count", 1, requests.MOST, "P-COUNT")
    texts = [text for text in requests.texts(prompt) for _ in range(each)]
    targets = output_files(output, len(texts), force)
    seeds = [one.initial_seed() for one in requests.seeded(seed, len(texts))]
    pipe = loading.pipeline(model, device, sampler)
    for text, target, own_seed in zip(texts, targets, seeds):
        begin = time.perf_counter()
        wave = pipe(text, seconds, steps, guidance, generator=requests.seeded(own_seed)).audios[0]
        sounds.write(target, wave, force=force)
        taken = time.perf_counter() - begin
        length = len(wave) / sounds.RATE
        print(f"{target}: {length:.2f} s of sound in {taken:.1f} s, seed {own_seed}", flush=True)


def output_files(output, many, force):
    """Names of the files to write: `output` itself, or output-1, output-2, … beside it.

    Raises MaaError A-NAME (unknown ending) or A-EXISTS, before any model is loaded.
    """
    from maa import sounds

    if output.suffix.lower() not in sounds.FORMATS:
        raise MaaError(
            "A-NAME", f"{str(output)!r} ends in {output.suffix!r}, expected {list(sounds.FORMATS)}"
        )
    width = len(str(many))
    names = [
        output if many == 1 else output.with_stem(f"{output.stem}-{place:0{width}d}")
        for place in range(1, many + 1)
    ]
    for name in names:
        if name.is_dir() or os.path.lexists(name) and not force:
            raise MaaError(
                "A-EXISTS", f"{str(name)!r} is there already; --force replaces a file, or use -o"
            )
    return names


@app.command()
def info(model: ModelFolder = None):
    """Show the parts of the pipeline that generate would use, and its model card."""
    from maa import files, folders

    folder = folders.find(model)
    print(folder)
    for name, value in files.read_json(folder / folders.INDEX).items():
        if isinstance(value, list):
            size = sum(part.stat().st_size for part in (folder / name).rglob("*"))
            print(f"  {name:<13} {value[1]:<28} {size / 2**20:6.2f} MiB")
    card = folder / "README.md"
    if card.is_file():
        print(card.read_text("utf-8"))


paper_commands.add(app)

if __name__ == "__main__":
    app()
