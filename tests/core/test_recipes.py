from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from rmr1_core import EvalProtocol, Recipe, Ref, Stage, recipes
from rmr1_core.errors import BadInput, UnknownName, UsageError
from rmr1_core.recipes import Wanted
from rmr1_core.values import Variant

RECIPE = Recipe(
    name="mine",
    description='Two stages,\nwith "quotes" and é.',
    backbone=Ref(name="nobody", options={"max_new_tokens": 9}),
    prompt=Ref(name="plain"),
    reward=Ref(name="fixed"),
    engine=Ref(name="scripted", options={"seconds": 0.5, "log": "a b"}),
    launcher=Ref(name="local"),
    stages=(
        Stage(
            name="sft",
            trainer=Ref(name="echo", options={"kinds": ["a", "b"], "deep": {"x": True}}),
            dataset=Ref(name="rows"),
        ),
        Stage(name="rl", trainer=Ref(name="echo-rl"), dataset=Ref(name="rows"), split="rl"),
    ),
    benchmarks=(Ref(name="sample-one"),),
    evaluation=EvalProtocol(limit=3),
    sampled_evaluation=EvalProtocol(temperature=1.0),
    variants={
        "short": Variant(description="shorter", stages=(), evaluation=EvalProtocol(limit=1)),
        "more": Variant(
            description="more of the same",
            stages=(
                Stage(
                    name="sft",
                    trainer=Ref(name="echo"),
                    dataset=Ref(name="rows"),
                    start_from="sft",
                    compute_of=("rl",),
                ),
            ),
        ),
    },
    ablations=("more",),
)
BARE = msgspec.structs.replace(RECIPE, sampled_evaluation=None, variants={}, ablations=())


@pytest.mark.parametrize("recipe", [RECIPE, BARE])
def test_a_recipe_round_trips_through_toml(recipe: Recipe) -> None:
    assert recipes.decode(recipes.encode(recipe), "x") == recipe


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(recipes.encode(RECIPE))
    assert recipes.read(tmp_path / "mine.toml") == RECIPE
    assert recipes.choose(str(tmp_path / "mine.toml")) == RECIPE


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[prompt]", "[prompt"), "mine.toml: "),
        (
            ('split = "rl"', 'splitt = "rl"'),
            r"field 'stages\[1\]': object contains unknown field 'splitt'",
        ),
        (("limit = 3", "limit = 0"), "field 'evaluation.limit': expected 'int' >= 1"),
        (("limit = 3", "limt = 3"), "unknown field 'limt'"),
        (('name = "mine"', 'nam = "mine"'), "field"),
        (('name = "mine"', ""), "missing required field 'name'"),
        (("é", "\udce9"), "byte 0xe9 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_recipe_is_named_with_its_field(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    text = recipes.encode(RECIPE)
    assert change[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(*change), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(BadInput, match=problem):
        recipes.read(path)


def test_a_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadInput, match=r"no-such\.toml: No such file"):
        recipes.choose("no-such.toml")


@pytest.mark.usefixtures("sample")
def test_the_default_recipe_is_run_when_nothing_is_named() -> None:
    assert recipes.choose(None).default


@pytest.mark.usefixtures("sample")
def test_a_recipe_is_chosen_by_name() -> None:
    assert recipes.choose("sample").name == "sample"


@pytest.mark.usefixtures("sample")
def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no recipe named 'sampel'; did you mean 'sample'"):
        recipes.choose("sampel")


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("backbone", "trainer"), [("nobody", ""), ("", "echo-rl"), ("nobody", "echo")]
)
def test_a_recipe_is_chosen_by_what_it_is_for(backbone: str, trainer: str) -> None:
    assert recipes.choose(None, Wanted(backbone=backbone, trainer=trainer)).name == "sample"


def test_another_component_does_not_get_the_options_of_the_one_before() -> None:
    other = recipes.with_settings(
        RECIPE,
        ["engine.name=replay:runs/x", "engine.options.log=c", "stages.sft.trainer.name=echo"],
    )
    assert other.engine == Ref(name="replay:runs/x", options={"log": "c"})
    assert other.stages[0].trainer == RECIPE.stages[0].trainer


@pytest.mark.usefixtures("sample")
def test_nothing_that_fits_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="no recipe is for echo and toy; see: rmr1 list recipes"):
        recipes.choose(None, Wanted(trainer="echo", dataset="toy"))


@pytest.mark.usefixtures("sample")
def test_a_recipe_is_chosen_by_its_dataset() -> None:
    assert recipes.choose(None, Wanted(dataset="rows")).name == "sample"
    assert recipes.choose(None, Wanted(dataset="toy")).name == "toy"


@pytest.mark.usefixtures("sample")
def test_a_backbone_without_a_recipe_is_shown_which_to_take() -> None:
    with pytest.raises(UsageError) as error:
        recipes.choose(None, Wanted(backbone="org/model", trainer="echo"))
    assert str(error.value) == (
        "no recipe is for org/model and echo; take one that is for another backbone (sample), "
        "with: rmr1 run --recipe NAME --backbone org/model"
    )


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (Wanted(trainer="ehco"), "no trainer named 'ehco'; did you mean 'echo'"),
        (Wanted(dataset="rosw"), "no dataset named 'rosw'; did you mean 'rows'"),
        (Wanted(backbone="nobdy", trainer="echo"), "no backbone named 'nobdy'; did you mean"),
    ],
)
def test_a_name_that_is_none_is_told_from_a_recipe_that_is_not_there(
    wanted: Wanted, problem: str
) -> None:
    with pytest.raises(UnknownName, match=problem):
        recipes.choose(None, wanted)


@pytest.mark.usefixtures("sample")
def test_presets_of_the_backbone_are_options_unless_the_recipe_says_otherwise() -> None:
    sized = Ref(name="sized")
    recipe = recipes.with_presets(msgspec.structs.replace(recipes.choose("sample"), backbone=sized))
    assert recipe.stages[0].trainer.options == {"fail_while": "/preset"}
    again = recipes.with_settings(recipe, ["stages.first.trainer.options.fail_while=/mine"])
    assert recipes.with_presets(again).stages[0].trainer.options == {"fail_while": "/mine"}
    assert recipes.with_presets(recipe) == recipe


@pytest.mark.usefixtures("sample")
def test_a_named_recipe_is_taken_for_another_backbone() -> None:
    assert recipes.choose("sample", Wanted(backbone="nobody")) == recipes.choose("sample")
    taken = recipes.choose("sample", Wanted(backbone="org/model"))
    assert (taken.name, taken.backbone) == ("sample", Ref(name="org/model"))


@pytest.mark.usefixtures("sample")
def test_a_name_and_what_it_is_not_for_contradict() -> None:
    assert recipes.choose("sample", Wanted(trainer="echo")).name == "sample"
    with pytest.raises(UsageError, match="recipe 'sample' is not for local-sft; change it with"):
        recipes.choose("sample", Wanted(trainer="local-sft"))


def test_a_variant_replaces_what_it_gives_and_keeps_the_rest() -> None:
    short = recipes.variant(RECIPE, "short")
    assert short.name == "mine-short"
    assert short.stages == ()
    assert short.evaluation == EvalProtocol(limit=1)
    assert short.backbone == RECIPE.backbone
    assert short.sampled_evaluation == RECIPE.sampled_evaluation


def test_an_unknown_variant_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no variant of recipe 'mine' named 'shrt'; did you mean"):
        recipes.variant(RECIPE, "shrt")


def test_settings_change_fields_by_path() -> None:
    changed = recipes.with_settings(
        RECIPE,
        [
            "seed=3",
            "description=some = words",
            "stages.rl.trainer.options.steps=100",
            "stages.0.split=other",
            "benchmarks.sample-one.options.size=4",
            "sampled_evaluation=null",
            "evaluation.order=random",
            'ablations=["short"]',
        ],
    )
    assert (changed.seed, changed.description) == (3, "some = words")
    assert changed.stages[1].trainer.options == {"steps": 100}
    assert changed.stages[0].split == "other"
    assert changed.benchmarks[0].options == {"size": 4}
    assert changed.sampled_evaluation is None
    assert changed.evaluation == EvalProtocol(limit=3, order="random")
    assert changed.ablations == ("short",)
    assert changed.variants == RECIPE.variants


def test_no_setting_changes_nothing() -> None:
    assert recipes.with_settings(RECIPE, []) == RECIPE


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("seed", "--set seed: write it as path.to.field=value"),
        ("sede=3", "--set: object contains unknown field 'sede'"),
        ("stage.rl.split=x", "there is no 'stage'; there is name, description"),
        ("stages.sfd.split=x", "there is no 'sfd'; there is sft, rl"),
        ("stages.7.split=x", "there is no '7'; there is sft, rl"),
        ("stages.sft.splt=x", "unknown field 'splt'"),
        ("seed=x", "--set seed: expected 'int', got 'str'"),
        ("evaluation.limit=0", "expected 'int' >= 1"),
        ("evaluation.order=bothe", "--set evaluation.order: invalid enum value 'bothe'"),
        ("backbone.name.deep=1", "there is no 'deep'; there is nothing"),
        ("backbone.name.deep.er=1", "there is no 'deep'; there is nothing"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(setting: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        recipes.with_settings(RECIPE, [setting])
    assert problem in str(error.value)


def test_a_pinned_recipe_means_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "rows.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    stage = Stage(name="s", trainer=Ref(name="echo"), dataset=Ref(name="jsonl:rows.jsonl"))
    mine = msgspec.structs.replace(RECIPE, backbone=Ref(name="./judge"), stages=(stage,))
    found = recipes.pinned(mine)
    assert found.backbone.name == os.fspath(tmp_path / "judge")
    assert found.stages[0].dataset.name == f"jsonl:{tmp_path}/rows.jsonl"
    assert found.prompt == RECIPE.prompt
