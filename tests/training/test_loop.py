import ast
import dataclasses
import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from safetensors import safe_open

from restorekit import testing
from restorekit.core.errors import CheckpointError
from restorekit.core.psnr import psnr, quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Geometry, Observation, Restoration
from restorekit.corruptions import Chain, Clean, Gaussian, Missing
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.models import CVAE, VAE, checkpoint
from restorekit.models.checkpoint import Card
from restorekit.testing import _assertions
from restorekit.training import loop, optimizers
from restorekit.training.config import Recipe
from restorekit.training.crops import HeldPool, StreamedPool
from restorekit.training.job import Job
from restorekit.training.resume import State, restore_state, save_state
from restorekit.training.validation import Validation, centres, measure

CPU = torch.device("cpu")
SMALL = CVAE.Config(**CVAE.presets["small"])
RECIPE = Recipe(batch=3, crop=16, warmup=2, validate=4, gray=0.4)
STEPS = 9


def _images(sizes=((20, 24), (18, 30), (40, 17), (16, 16), (22, 22))):
    return [(Rng(i).uniform("image", (*size, 3), "cpu") * 255).to(torch.uint8) for i, size in enumerate(sizes)]


def _pool(kind="held"):
    images = _images()
    if kind == "held":
        return HeldPool(images, CPU)
    return StreamedPool(lambda i: images[i], torch.tensor([i.shape[:2] for i in images]), 3, CPU)


def _held():
    return centres(HeldPool(_images([(24, 24), (16, 20)]), CPU), ("first.png", "second.png"), Geometry(multiple=4))


def _job(run, **changes):
    run.mkdir(exist_ok=True)
    corruptions = [(Gaussian((0.0, 0.2)), 1.0), (Chain((Gaussian(0.1), Missing((0.2, 0.8)))), 2.0)]
    card = Card("cvae", "restorekit", "0", dataclasses.asdict(SMALL))
    return Job(run, card, RECIPE, corruptions, _pool(), _held(), steps=STEPS, **changes)


def _fabric(precision="32-true"):
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    fabric.launch()
    return fabric


def _train(job, model=None, resume=False, watch=lambda line: None):
    model = model or testing.build(CVAE, SMALL)
    return loop.train(job, model, _fabric(), watch, resume)


def _tensors(path):
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, safe_open is no mapping


def _same_file(a, b):
    left, right = _tensors(a), _tensors(b)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def _stop_after(monkeypatch, count, number=signal.SIGTERM):
    """Send this process a signal while it makes its `count`th update."""
    update, made = loop._update, []

    def updating(*args):
        made.append(1)
        if len(made) == count:
            signal.raise_signal(number)
        return update(*args)

    monkeypatch.setattr(loop, "_update", updating)


# ------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize(("optimiser", "kind"), [("muon", "held"), ("adam", "streamed")])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, kind, optimiser):
    recipe = dataclasses.replace(RECIPE, optimiser=optimiser)
    whole = dataclasses.replace(_job(tmp_path / "whole"), recipe=recipe)
    parts = dataclasses.replace(_job(tmp_path / "parts"), recipe=recipe, pool=_pool(kind))
    _train(whole)
    with monkeypatch.context() as patch:
        _stop_after(patch, 5)
        _train(parts)
    state = parts.run / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        assert json.loads(file.metadata()["state"])["step"] == 5
    other = testing.build(CVAE, SMALL)
    _assertions.perturb(other)  # what it starts from does not matter: the state has it all
    _train(parts, other, resume=True)
    assert _same_file(whole.run / "state.safetensors", state)
    assert _same_file(whole.run / "model.safetensors", parts.run / "model.safetensors")
    before = [json.loads(line) for line in (whole.run / "log.jsonl").read_text().splitlines()]
    after = [json.loads(line) for line in (parts.run / "log.jsonl").read_text().splitlines()]
    measured = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in log if line["event"] == "validation"]
        for log in (before, after)
    ]
    assert measured[0] == measured[1]
    assert [line["step"] for line in measured[0]] == [4, 8, 9]


def test_what_a_killed_training_wrote_after_its_last_save_is_not_there_twice(tmp_path, monkeypatch):
    def dying(*args):
        raise MemoryError

    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    whole, killed = _job(tmp_path / "whole"), _job(tmp_path / "killed")
    _train(whole)
    _train(dataclasses.replace(killed, steps=5))
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(loop, "_save", dying)
        _train(killed, resume=True)
    pictures = sorted(p.name for p in (killed.run / "previews").iterdir())
    assert pictures == ["0000004.png", "0000005.png", "0000008.png", "0000009.png"]
    _train(dataclasses.replace(killed, steps=6), resume=True)
    assert not [p for name in ("previews", "samples") for p in (killed.run / name).glob("000000[89].png")]
    _train(killed, resume=True)
    before, after = (
        [line["step"] for line in map(json.loads, (job.run / "log.jsonl").open()) if line["event"] == "step"]
        for job in (whole, killed)
    )
    assert before == after == list(range(1, 10))


def test_another_seed_is_another_training(tmp_path):
    _train(_job(tmp_path / "a"))
    _train(dataclasses.replace(_job(tmp_path / "b"), seed=1))
    assert not _same_file(tmp_path / "a" / "model.safetensors", tmp_path / "b" / "model.safetensors")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_the_handlers_are_put_back(tmp_path, monkeypatch, number):
    before = signal.getsignal(number)
    _stop_after(monkeypatch, 3, number)
    _train(_job(tmp_path / "run"))
    assert signal.getsignal(number) is before
    assert checkpoint.load(tmp_path / "run" / "model.safetensors")[1].steps == 3


def test_a_terminated_process_has_saved_first(tmp_path):
    program = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        import dataclasses; from tests.training import test_loop
        job = dataclasses.replace(test_loop._job(Path({str(tmp_path / "run")!r})), steps=10**6)
        test_loop._train(job, watch=lambda line: print(line.event, flush=True))
        print("left", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert [process.stdout.readline().strip() for _ in range(2)] == ["start", "validation"]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read().split()
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert rest[-1] == "left"
    run = tmp_path / "run"
    card = checkpoint.read_card(run / "model.safetensors")
    assert card.steps >= 4
    assert card.metrics["psnr"] > 0
    assert not [p for p in run.iterdir() if p.name.startswith(".")]


def test_a_training_can_run_in_a_thread(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(_train(dataclasses.replace(_job(tmp_path / "run"), steps=1))))
    thread.start()
    thread.join()
    assert found[0].found["psnr"] > 0


# ------------------------------------------------------------------------------------- the state


def _state(recipe=RECIPE, config=SMALL):
    model = testing.build(CVAE, config)
    return State(model, model, optimizers.groups(model, recipe, CPU))


@pytest.fixture
def saved(tmp_path):
    save_state(tmp_path / "state.safetensors", _state(), Card("cvae", "restorekit", "0", {}))
    return tmp_path / "state.safetensors"


def test_there_must_be_a_state_to_go_on_from(tmp_path):
    with pytest.raises(CheckpointError, match="without --resume"):
        restore_state(tmp_path / "state.safetensors", _state())


def test_a_state_that_is_cut_short_is_said_in_a_sentence(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a complete state file") as error:
        restore_state(saved, _state())
    assert "\n" not in str(error.value)


def test_a_state_of_other_settings_is_said_in_a_sentence(saved):
    with pytest.raises(CheckpointError, match="other settings") as error:
        restore_state(saved, _state(config=dataclasses.replace(SMALL, recogniser=8)))
    assert "\n" not in str(error.value)


def test_a_model_file_is_no_state(saved, tmp_path):
    checkpoint.save(tmp_path / "m.safetensors", testing.build(CVAE, SMALL).state_dict(), Card("cvae", "r", "0", {}))
    with pytest.raises(CheckpointError) as error:
        restore_state(tmp_path / "m.safetensors", _state())
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------- the loop


def test_the_loop_is_one_function_in_sight():
    tree = ast.parse(inspect.getsource(loop))
    lengths = {n.name: n.end_lineno - n.lineno + 1 for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert lengths["train"] < 100
    assert any(
        isinstance(n, ast.While) for n in ast.walk(next(n for n in tree.body if getattr(n, "name", "") == "train"))
    )


def test_the_average_is_what_is_saved(tmp_path):
    job = dataclasses.replace(_job(tmp_path / "run"), recipe=dataclasses.replace(RECIPE, ema=0.9))
    _train(job)
    state, model = _tensors(job.run / "state.safetensors"), _tensors(job.run / "model.safetensors")
    assert all(torch.equal(state[f"average/{k}"], v) for k, v in model.items())
    assert any(not torch.equal(state[f"model/{k}"], v) for k, v in model.items())


def test_without_averaging_the_weights_themselves_are_saved(tmp_path):
    job = dataclasses.replace(_job(tmp_path / "run"), recipe=dataclasses.replace(RECIPE, ema=0.0), steps=2)
    _train(job)
    state, model = _tensors(job.run / "state.safetensors"), _tensors(job.run / "model.safetensors")
    assert all(torch.equal(state[f"model/{k}"], v) for k, v in model.items())
    assert not any(k.startswith("average") for k in state)


def test_a_bad_batch_is_skipped_and_counted(tmp_path, monkeypatch):
    terms, calls = CVAE.terms, []

    def sometimes(self, *args):
        found = terms(self, *args)
        calls.append(self.training)
        return found._replace(loss=found.loss * torch.nan) if self.training and len(calls) == 2 else found

    monkeypatch.setattr(CVAE, "terms", sometimes)
    job = dataclasses.replace(_job(tmp_path / "run"), steps=3)
    _train(job)
    state = _tensors(job.run / "state.safetensors")
    assert float(state["skipped/model"]) == 1
    assert all(v.isfinite().all() for v in state.values())


def test_mixed_precision_trains_and_keeps_full_weights(tmp_path):
    job, lines = dataclasses.replace(_job(tmp_path / "run"), steps=2), []
    loop.train(job, testing.build(CVAE, SMALL), _fabric("bf16-mixed"), lines.append)
    saved = _tensors(job.run / "model.safetensors")
    assert {t.dtype for t in saved.values()} == {torch.float32}
    assert all(t.isfinite().all() for t in saved.values())
    assert lines[-1].values["psnr"] > 0


def test_portions_add_up_to_the_gradient_of_the_whole_batch(tmp_path):
    model, fabric = testing.build(CVAE, SMALL).eval(), _fabric()  # in training, chance hides sigma
    _assertions.perturb(model)
    module = fabric.setup_module(model)
    x = torch.stack([image[:16, :16] for image in _images()[:3]]).permute(0, 3, 1, 2) / 255
    sigma = torch.full((3, 1, 1, 1), 0.1)
    seen = Observation(x, torch.ones(3, 1, 16, 16, dtype=torch.bool), (3, 16, 16), sigma)
    found = []
    for cuts in ([slice(3)], [slice(2), slice(2, 3)]):
        portions = [
            Batch(x[c], dataclasses.replace(seen, y=x[c], observed=seen.observed[c], sigma=sigma[c]), Clean())
            for c in cuts
        ]
        loop.accumulate_gradients(module, portions, Rng(0), "model", fabric)
        found.append([p.grad.clone() for p in model.trunk.mean.parameters()])
        model.zero_grad()
    for one, several in zip(*found, strict=True):
        assert one.any()
        torch.testing.assert_close(one, several, rtol=1e-4, atol=1e-7)


def test_gradients_are_averaged_over_the_processes_where_a_part_was_used(tmp_path):
    used, idle = torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))
    last = torch.nn.Parameter(torch.zeros(5))
    used.grad, last.grad = torch.full((2, 3), 2.0), torch.full((5,), 6.0)
    two = types.SimpleNamespace(world_size=2, all_reduce=lambda t, reduce_op: t / 2)
    loop.average_gradients([used, idle, last], two)
    assert used.grad.eq(1).all()
    assert used.grad.shape == (2, 3)
    assert last.grad.eq(3).all()
    assert idle.grad is None


@pytest.mark.slow
def test_two_processes_train_a_model_whose_parts_are_used_in_turn(tmp_path):
    """Each update uses one of the two trunks: wrappers that expect every gradient would stop here."""
    for i, image in enumerate(_images([(40, 40)] * 6)):
        Image.fromarray(image.numpy()).save(tmp_path / f"{i}.png")
    words = ["train", str(tmp_path), str(tmp_path.parent / f"{tmp_path.name}-run"), "--model", "cvae", "--init", "none"]
    words += [
        "--corruption",
        "gaussian",
        "--corruption",
        "missing",
        "--steps",
        "6",
        "--devices",
        "2",
        "--device",
        "cpu",
    ]
    sets = ("preset=small", "filling=true", "batch=4", "crop=16")
    words += [word for text in sets for word in ("--set", text)]
    done = subprocess.run([sys.executable, "-m", "restorekit", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model:") == 1
    log = Path(words[2], "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log if '"validation"' in line] == [6]


def test_every_parameter_group_is_stepped_with_the_others_frozen(tmp_path):
    class Two(CVAE):
        seen: ClassVar[list] = []

        def param_groups(self):
            return {"trunk": list(self.trunk.parameters()), "around": list(self.around.parameters())}

        def terms(self, batch, rng, group="model"):
            if self.training:
                free = {name.split(".")[0] for name, p in self.named_parameters() if p.requires_grad}
                Two.seen.append((group, free))
            return super().terms(batch, rng, group)

    job = dataclasses.replace(_job(tmp_path / "run"), steps=2)
    _train(job, testing.build(Two, SMALL))
    assert Two.seen == [("trunk", {"trunk"}), ("around", {"around"})] * 2


def test_epochs_see_every_image_and_labels_go_along(tmp_path):
    class Counts(VAE):
        seen: ClassVar[list] = []

        def terms(self, batch, rng, group="model"):
            if self.training:
                Counts.seen.extend(zip(batch.x[:, 0, 0, 0].tolist(), batch.observation.label.tolist(), strict=True))
            return super().terms(batch, rng, group)

    images = [torch.full((4, 4, 1), i, dtype=torch.uint8) for i in range(7)]
    model = testing.build(Counts, Counts.Config(network="mlp", size=(4, 4), hidden=(8,), latent=2, classes=10))
    held = Validation(torch.zeros(1, 1, 4, 4), ("a",), torch.tensor([0]))
    card = Card("vae", "restorekit", "0", dataclasses.asdict(model.config))
    (tmp_path / "run").mkdir()
    job = Job(
        tmp_path / "run", card, Recipe(batch=3, crop=0, unlabelled=0.0), [(Clean(), 1.0)], HeldPool(images, CPU), held,
        labels=torch.arange(7) + 1, epochs=2,
    )  # fmt: skip
    lines = []
    loop.train(job, model, _fabric(), lines.append)
    values = [(round(255 * value), label) for value, label in Counts.seen]
    assert sorted(values[:7]) == sorted(values[7:]) == [(i, i + 1) for i in range(7)]
    epochs = [line.values for line in lines if line.event == "epoch"]
    assert [values["epoch"] for values in epochs] == [1, 2]
    assert epochs[0]["nelbo"] == pytest.approx(epochs[0]["distortion"] + epochs[0]["rate"], rel=1e-4)


def test_training_draws_nothing_from_the_global_generator(tmp_path):
    job, model = dataclasses.replace(_job(tmp_path / "run"), steps=2), testing.build(CVAE, SMALL)
    with _assertions.global_randomness_untouched("training"):
        _train(job, model)


def test_the_log_tells_what_each_part_of_a_training_runs_on_and_how_far_every_line_is(tmp_path):
    job, threads = _job(tmp_path / "run"), torch.get_num_threads()
    _train(dataclasses.replace(job, steps=5))
    _train(job, resume=True)
    lines = [json.loads(line) for line in (job.run / "log.jsonl").read_text().splitlines()]
    starts = [line for line in lines if line["event"] == "start"]
    assert [(line["step"], line["device"], line["threads"]) for line in starts] == [
        (0, "cpu", threads),
        (5, "cpu", threads),
    ]
    assert starts[0]["versions"]["torch"] == torch.__version__
    assert starts[0]["precision"] == "32-true"
    assert [line["progress"] for line in lines if line["event"] == "validation"] == [4 / 5, 1.0, 8 / STEPS, 1.0]


def test_the_log_tells_the_means_since_its_last_line_and_the_run_is_saved_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 2)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    job, saved, save = dataclasses.replace(_job(tmp_path / "run"), steps=4), [], loop._save
    monkeypatch.setattr(loop, "_save", lambda *args: saved.append(args[1].step) or save(*args))
    _train(job)
    lines = [json.loads(line) for line in (job.run / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == [2, 4]
    for line in steps:
        assert {"regression", "spread", "distortion", "rate", "lr", "gradient", "skipped", "progress"} <= line.keys()
        assert line["skipped"] == 0
        assert line["gradient"] > 0
    assert saved == [1, 2, 3, 4, 4]


# ------------------------------------------------------------------------------------ validation


@pytest.mark.parametrize("channels", [1, 3])
def test_the_psnr_of_training_is_that_of_the_metrics(channels):
    x = _assertions.random_images(3, channels, 20, 24)
    restored = quantise_8bit(x + 0.1 * Rng(0).normal("e", tuple(x.shape), "cpu"))
    observation = Clean()(x, Rng(0))
    for i, value in enumerate(psnr(restored, x).tolist()):
        one = slice(i, i + 1)
        assert value == pytest.approx(PSNR()(Restoration(restored[one]), x[one], observation), abs=1e-4)


def test_validation_measures_the_mean_over_images_and_corruptions():
    model, held = testing.build(CVAE, SMALL), _held()
    corruptions = [Gaussian(0.1), Missing(0.5)]
    found = measure(model, held, corruptions, 0)
    alone = [measure(model, held, [c], 0) for c in corruptions]
    assert found["psnr"] == pytest.approx(sum(a["psnr"] for a in alone) / 2, rel=1e-5)
    for corruption, own in zip(corruptions, alone, strict=True):
        assert found[f"psnr {corruption}"] == pytest.approx(own["psnr"], rel=1e-5)
    assert found["regression"] == pytest.approx(sum(a["regression"] for a in alone) / 2, rel=1e-5)
    assert found == measure(model, held, corruptions, 0)
    assert found != measure(model, held, corruptions, 1)


def test_an_untrained_model_scores_as_the_noisy_image():
    held, sigma = _held(), 0.1
    found = measure(testing.build(CVAE, SMALL), held, [Gaussian(sigma)], 0)
    noisy = quantise_8bit(Gaussian(sigma)(held.x, Rng(0, held.names).fork("validation")).y)
    assert found["psnr"] == pytest.approx(float(psnr(noisy, held.x).mean()), rel=1e-4)


def test_validation_looks_at_the_centres():
    images = [torch.zeros(40, 60, 1), torch.zeros(30, 30, 1)]
    images[0][8:32, 18:42] = 1.0
    images[1][3:27, 3:27] = 1.0
    held = centres(HeldPool(images, CPU), ("a", "b"), Geometry(multiple=8))
    assert held.x.shape == (2, 1, 24, 24)
    assert (held.x == 1).all()
    equal = centres(HeldPool([torch.zeros(28, 20, 1)] * 2, CPU), ("a", "b"), Geometry())
    assert equal.x.shape == (2, 1, 28, 20)
