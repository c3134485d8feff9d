"""Network of Aspandi et al. 2020: auto-encoder and discriminator, stages, losses, corruptions."""

import numpy as np
import pytest
import torch
from builders.papers import SMALL

from affect_perception.errors import ConfigError
from affect_perception.models.aspandi2020 import DESCRIPTORS, STAGES, Aspandi2020
from affect_perception.models.aspandi2020_losses import (
    CORRUPTIONS,
    adversarial_loss,
    affect_loss,
    class_weights,
    corrupt,
)


def build(**settings) -> Aspandi2020:
    torch.manual_seed(9)
    return Aspandi2020(**SMALL['aspandi2020'] | settings).eval()


def batch_of(count: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, 32, 32, generator=generator) * 2 - 1
    return {'images': images, 'noisy': corrupt(images, generator), 'audio': torch.randn(count, 6, generator=generator)}


def test_the_networks_have_the_maps_of_the_paper():
    with torch.device('meta'):
        model = Aspandi2020()
        cleaned, z = model.generator(torch.zeros(1, 3, 112, 112))
        real, affect = model.discriminator(cleaned, z, torch.zeros(1, DESCRIPTORS))
    assert cleaned.shape == (1, 3, 112, 112)
    assert z.shape == (1, 64, 28, 28)
    assert real.shape == (1, 1, 2, 2)  # "a 2x2 pixels layer"
    assert affect.shape == (1, 2)


def test_the_generator_sees_the_image_only_through_z():
    model = build()
    noisy = batch_of()['noisy']
    cleaned, z = model.generator(noisy)
    assert torch.equal(cleaned, model.generator.decoder(z))
    assert cleaned.abs().max() <= 1


def test_z_and_sound_are_read_in_the_last_stage_alone():
    for stage in STAGES:
        model = build(stage=stage)
        batch = batch_of()
        with torch.no_grad():
            loud = model(batch | {'audio': batch['audio'] * 5})['affect']
            assert torch.equal(model(batch)['affect'], loud) == (stage != 'aeg_cd_sz')
            seen = []
            model.discriminator.late[0].register_forward_pre_hook(lambda module, args, seen=seen: seen.append(args[0]))
            model(batch)
            assert bool(seen[0][:, -model.discriminator.latent :].any()) == (stage == 'aeg_cd_sz')


def test_each_stage_starts_from_the_weights_of_the_one_before():
    model = build(stage='disc')
    assert model.parameters_of('generator') == []
    following = model.next_stage()
    assert following.stage == 'aeg_cd'
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), following.parameters(), strict=True))
    batch = batch_of()
    judged = following.discriminator(batch['images'])[1]
    assert torch.equal(judged, model(batch)['affect'])
    last = following.next_stage()
    with pytest.raises(ConfigError, match='aeg_cd_sz is the last stage'):
        last.next_stage()


@pytest.mark.parametrize('stage', STAGES)
def test_each_player_has_gradients_for_its_own_loss(stage):
    model = build(stage=stage)
    for player in model.players:
        parameters = model.parameters_of(player)
        if not parameters:
            continue
        outputs = model(batch_of(), player)
        loss, parts = model.loss(outputs, {'affect': torch.tensor([[0.1, -0.5], [0.7, 0.2], [-0.3, 0.9]])}, player)
        loss.backward()
        unused = stage != 'aeg_cd_sz'  # the audio plane, and the judge of real and fake in stage disc
        missing = [p for p in parameters if p.grad is None]
        assert len(missing) == (0 if player == 'generator' or not unused else 2 + (stage == 'disc'))
        expected = {'mse'} if stage == 'disc' else {'affect', 'adversarial'} | ({'reconstruction'} - {None})
        assert parts.keys() == (expected if player == 'generator' or stage == 'disc' else {'affect', 'adversarial'})
        model.zero_grad()


def test_the_discriminator_does_not_teach_the_generator():
    model = build()
    outputs = model(batch_of(), 'discriminator')
    model.loss(outputs, {'affect': torch.rand(3, 2)}, 'discriminator')[0].backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_the_reconstruction_compares_the_twice_cleaned_with_the_clean_image():
    model = build()
    batch = batch_of()
    with torch.no_grad():
        outputs = model(batch, 'generator')
        twice = model.generator(model.generator(batch['noisy'])[0])[0]
    assert torch.allclose(outputs['reconstruction'], (twice - batch['images']).abs().mean((1, 2, 3)))


def test_adversarial_loss_is_the_negative_log_likelihood():
    logits = torch.tensor([-2.0, 0.0, 3.0])
    likely = torch.sigmoid(logits)
    assert torch.allclose(adversarial_loss(logits, True), -likely.log().mean())
    assert torch.allclose(adversarial_loss(logits, False), -(1 - likely).log().mean())


def test_affect_loss_is_zero_at_the_labels_and_adds_rmse_cor_and_ccc():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 2)), generator.normal(size=(40, 2))
    cor = np.array([np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(2)])
    distance = x.var(0) + y.var(0) + (x.mean(0) - y.mean(0)) ** 2
    ccc = 2 * cor * x.std(0) * y.std(0) / distance
    wanted = (np.sqrt(((x - y) ** 2).mean(0)) + (1 - cor) + (1 - ccc)).mean()
    assert float(affect_loss(torch.tensor(x), torch.tensor(y))) == pytest.approx(wanted, abs=1e-5)
    assert float(affect_loss(torch.tensor(y), torch.tensor(y))) == pytest.approx(0, abs=1e-3)


def test_unlabelled_rows_and_rows_of_weight_zero_do_not_count():
    x, y = torch.randn(6, 2), torch.randn(6, 2)
    alone = affect_loss(x[:4], y[:4])
    unlabelled = torch.cat([y[:4], torch.full((2, 2), torch.nan)])
    weight = torch.tensor([1.0, 1, 1, 1, 0, 0])[:, None].expand(6, 2)
    assert torch.allclose(affect_loss(x, unlabelled), alone, atol=1e-5)
    assert torch.allclose(affect_loss(x, y, weight), alone, atol=1e-5)


def test_class_weights_are_inverse_frequencies_with_mean_one():
    labels = torch.tensor([[0.9, -0.9], [0.9, 0.1], [0.95, 0.1], [-0.5, torch.nan]])
    weights = class_weights(labels, 4)
    assert weights[:, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert weights[:, 0].mean() == pytest.approx(1)
    assert weights[3, 1] == 0
    batch = class_weights(torch.tensor([[0.9, 0.9]]), 4, reference=labels)
    assert batch[0, 0] == pytest.approx(2 / 3)


@pytest.mark.parametrize('kind', CORRUPTIONS)
def test_every_corruption_changes_images_within_range_and_repeats_with_its_seed(kind):
    images = batch_of(4)['images'] * 0.9
    once, again = (corrupt(images, torch.Generator().manual_seed(5), kind) for _ in range(2))
    assert torch.equal(once, again)
    assert once.shape == images.shape
    assert once.abs().max() <= 1
    assert all(not torch.allclose(a, b, atol=1e-3) for a, b in zip(once, images, strict=True))
    flat = torch.zeros(1, 3, 32, 32)
    if kind in ('blur', 'downsampling'):  # keep the mean colour
        assert torch.allclose(corrupt(flat + 0.3, torch.Generator().manual_seed(5), kind), flat + 0.3, atol=1e-5)


def test_unusable_sides_and_stages_are_refused():
    for side in (100, 16):
        with pytest.raises(ConfigError, match=f'side {side} px; give a multiple of 16'):
            build(side=side)
    with pytest.raises(ConfigError, match="no stage 'gan'"):
        build(stage='gan')
