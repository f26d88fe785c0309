"""Settings that mean nothing, or harm: on the command line and in YAML files."""

from __future__ import annotations

import shlex

import pytest

pytestmark = pytest.mark.usefixtures("rows")
BASE = "data: rows.csv\ntask: classification\nout: out\n"
NINE = ", ".join(["x"] * 9)


def bomb(item: str) -> str:
    """Return YAML lines whose last value, written out, would have 9 ** 12 words."""
    lines = [item.format(name="a0", value=f"[{NINE}]")]
    for level in range(1, 12):
        value = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(item.format(name=f"a{level}", value=f"[{value}]"))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("override", ["garbage", "=3", " =3", ".=1", "training..epochs=1", "a.=1"])
def test_set_that_is_no_assignment_shows_the_form(refuse, fit_words, override):
    refuse(
        *("fit", "rows.csv", *fit_words, "--set", override),
        status=2,
        says=(f"`--set` must be written PATH=VALUE; got {override!r}",),
        hint="--set training.epochs=3",
    )


@pytest.mark.parametrize(
    ("override", "says", "hint"),
    [
        (
            "training.lerning_rate=1",
            "`training.lerning_rate` must be a setting of `training`; got an unknown name; "
            "did you mean `training.learning_rate`?",
            "--set training.learning_rate=1",
        ),
        ("epochs=3", "did you mean `training.epochs`?", "--set training.epochs=3"),
        ("trainin.epochs=3", "did you mean `training`?", "--print-spec shows every setting"),
        ("nothing.like.it=1", "`nothing` must be a setting of fit", "--print-spec"),
        ("method.strengths=[1]", "got a setting of `method: probe`", "--method probe"),
        ("method=lara", "`method` must be one of", "--method "),
        ("task=ners", "`task` must be", "--task ner"),
        ("training.epochs=abc", "`training.epochs` must be a valid integer", "training.epochs=5"),
        ("training.epochs=", "got null", "--set training.epochs=5"),
        ("training.epochs=1.5", "got 1.5", "--set training.epochs=5"),
        ("training.epochs=[1, 2]", "got a list", "--set training.epochs=5"),
        ("training.epochs={a: 1}", "got a group of settings", "--set training.epochs=5"),
        ("training.epochs=*unknown", "got '*unknown'", "--set training.epochs=5"),
        ("training.epochs=0", "`training.epochs` must be at least 1; got 0", "training.epochs=5"),
        ("training=3", "`training` must be a group of settings; got 3", ""),
        ("model.max_length=3", "`model.max_length` must be at least 8; got 3", "max_length=null"),
        ("data=2020-01-01", "`data` must be a valid string; got a date", ""),
        ("seed=-1", "`seed` must be at least 0; got -1", ""),
        ("seed=99999999999999999999999", "`seed` must be at most 4294967295", ""),
        ("column=label", "each column must be written ROLE=NAME", ""),
        ("column.labl=intent", "must map a role of classification", "--column label=intent"),
        ("training.optimizer=moun", "`training.optimizer` must be ", "training.optimizer=muon"),
        ("training.schedule=cosin", "`training.schedule` must be ", "training.schedule=cosine"),
        ("split.test=0.95", "`split.test`: ", "--set split.test=0.0"),
    ],
)
def test_set_of_a_value_that_cannot_be_names_the_setting(refuse, fit_words, override, says, hint):
    refuse("fit", "rows.csv", *fit_words, "--set", override, status=2, says=(says,), hint=hint)


@pytest.mark.parametrize("value", ["nan", ".nan", "inf", ".inf", "-.inf", "1e999"])
@pytest.mark.parametrize("path", ["training.learning_rate", "training.weight_decay"])
def test_number_that_is_not_finite_is_refused_before_training(refuse, fit_words, path, value):
    typed = refuse(
        *("fit", "rows.csv", *fit_words, "--set", f"{path}={value}"),
        status=2,
        says=(f"`{path}` must be a finite number; got",),
        hint=f"--set {path}=0.",
    )
    assert "reading" not in typed.err


def test_learning_rate_that_explodes_says_which_to_try(type_in, fit_words, here):
    settings = ("training.learning_rate=1e30", "method.head_start=random")
    words = [word for setting in settings for word in ("--set", setting)]
    typed = type_in("fit", "rows.csv", *fit_words, *words)
    assert typed.status == 6
    assert "the loss must stay finite; got nan at step" in typed.err
    assert typed.hint.startswith("--set training.learning_rate=")
    assert not (here / "out" / "bundle").exists()


def test_every_bad_setting_is_named_at_once(refuse, fit_words):
    words = ("--set", "training.epochs=0", "--set", "seed=-1", "--set", "nonsense=1")
    refuse(
        *("fit", "rows.csv", *fit_words, *words),
        status=2,
        says=("`training.epochs` must be", "`seed` must be", "`nonsense` must be a setting"),
    )


def test_hint_of_a_nearest_name_can_be_typed(refuse, type_in, fit_words):
    words = ("fit", "rows.csv", *fit_words, "--print-spec")
    typed = refuse(*words, "--set", "training.patiense=1", status=2, says=("patience",))
    assert type_in(*words, *shlex.split(typed.hint)).status == 0


@pytest.mark.parametrize("setting", ["model.max_length=100000", "model.stride=500"])
def test_window_that_does_not_fit_the_model_is_an_impossible_request(refuse, fit_words, setting):
    refuse(
        *("fit", "rows.csv", *fit_words, "--set", setting),
        status=2,
        says=(f"`{setting.partition('=')[0]}` must be",),
        hint="tunesmith check rows.csv --task classification",
    )


@pytest.mark.parametrize("device", ["tpu", "cuda:99", ""])
def test_fit_on_a_device_that_is_not_there_leaves_no_folder(refuse, fit_words, device):
    refuse(
        *("fit", "rows.csv", *fit_words, "--device", device),
        status=6,
        says=(f"device `{device}` must exist; got",),
        hint="--set device=cpu",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "a\0b.csv", "--task", "classification"),
        ("fit", "rows.csv", "--task", "classification", "--out", "a\0b"),
        ("fit", "rows.csv", "--task", "classification", "--model", "a\0b"),
        ("fit", "rows.csv", "--task", "classification", "--test", "a\0b"),
        ("predict", "a\0b", "my order"),
        ("predict", "bundle", "--data", "a\0b"),
        ("predict", "bundle", "--data", "rows.csv", "--out", "a\0b.jsonl"),
        ("evaluate", "bundle", "rows.csv", "--out", "a\0b"),
        ("runs", "a\0b"),
    ],
)
def test_name_that_holds_nul_is_refused_at_once(bundle, refuse, words):
    assert bundle.is_dir()
    refuse(*words, status=2, says=("a text must not hold the character NUL; got 'a\\x00b",))


@pytest.mark.parametrize(
    "words", [("../../../../../../nowhere/rows.csv",), ("rows.csv", "--test", "../../no.csv")]
)
def test_path_that_leads_out_and_to_nothing_is_not_found(refuse, fit_words, words):
    refuse("fit", *words, *fit_words, status=3, says=(f"file `{words[-1]}` must exist",))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- data\n- task\n", "must hold `name: value` lines; got ['data', 'task'] (spec.yaml)"),
        ("rows.csv\n", "must hold `name: value` lines; got 'rows.csv' (spec.yaml)"),
        ("", "must hold `name: value` lines; got None (spec.yaml)"),
        ("data: rows.csv\n\ttask: ner\n", "must be YAML; got found character '\\t'"),
        ("data: 'rows.csv\n", "must be YAML; got found unexpected end of stream (spec.yaml:2)"),
        ("data: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        (b"data: \xe9\n", "must be YAML; got 'utf-8' codec can't decode"),
        (b"\x00\x01", "must be YAML; got unacceptable character"),
        ("{a: " * 3000 + "1" + "}" * 3000, "must be YAML; got maximum recursion depth"),
        ("[" * 3000, "must be YAML; got maximum recursion depth"),
        ("&a [*a]", "must hold `name: value` lines; got [[["),
        (BASE + "5: 3\n", "the name of a setting must be a text; got 5 (spec.yaml, command line)"),
        (BASE + "lock: [1]\n", "`lock` must hold what a run wrote there; got [1] (spec.yaml)"),
        (BASE + "lerning_rate: 1\n", "`training.learning_rate`? (spec.yaml, command line)"),
        (BASE + "training:\n  - 1\n", "`training` must be a group of settings; got a list"),
        (BASE + "seed: &a [*a]\n", "`seed` must be a valid integer; got a list"),
        (bomb("- &{name} {value}"), "must hold `name: value` lines; got [['x', "),
        (bomb("{name}: &{name} {value}") + BASE + "trainin: *a11\n", "did you mean `training`?"),
        (bomb("{name}: &{name} {value}") + BASE + "seed: *a11\n", "`seed` must be a valid"),
        (
            bomb("{name}: &{name} {value}") + BASE + "training: {optimizer: *a11}\n",
            "optimizer` must",
        ),
        (bomb("{name}: &{name} {value}") + BASE + "column: *a11\n", "`column`: each column must"),
    ],
)
def test_fit_from_a_yaml_file_that_is_no_spec_says_where(write, refuse, content, says):
    write("spec.yaml", content)
    refuse("fit", "spec.yaml", status=2, says=(says,))


def test_fit_from_a_yaml_file_that_is_missing_is_not_found(refuse):
    says = ("the settings file `no.yaml` must exist and be readable",)
    refuse("fit", "no.yaml", status=3, says=says, hint="tunesmith runs")


def test_set_of_endless_nesting_stays_an_unreadable_value(refuse, fit_words):
    words = ("fit", "rows.csv", *fit_words, "--set")
    typed = refuse(*words, "seed=" + "[" * 20_000, status=2, says=("`seed` must be",))
    assert len(typed.err) < 1000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fti", "rows.csv"), "fti"),
        (("fit", "rows.csv", "--tsak", "ner"), "--tsak"),
        (("fit", "rows.csv"), "`task` must be given; got nothing"),
        (("predict",), "`bundle` must be given; got nothing"),
        (("runs", "--limit", "many"), "`limit` must be a valid integer"),
        (("runs", "no-such-run"), "one run must have an id that begins with `no-such-run`"),
    ],
)
def test_words_that_make_no_request_leave_like_every_error(refuse, words, says):
    status = 3 if "no-such-run" in words else 2
    refuse(*words, status=status, says=(says,))
