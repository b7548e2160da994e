"""The colour shift, against the formula written out and against its statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vgglab.data.color_shift import ColorShift
from vgglab.data.keyed_random import COLOR, keyed_normals
from vgglab.data.normalise import ColorStatistics, Normalisation, load_or_compute

SAMPLES = np.arange(50_000, dtype=np.int64)


def pictures() -> torch.Tensor:
    """Images whose channels vary together, as those of photographs do."""
    generator = torch.Generator().manual_seed(0)
    light = torch.randint(0, 200, (30, 1, 9, 7), generator=generator)
    return (light + torch.randint(0, 56, (30, 3, 9, 7), generator=generator)).byte()


def test_moments_are_those_of_all_pixels() -> None:
    images_nchw = pictures()
    pixels_cp = images_nchw.permute(1, 0, 2, 3).reshape(3, -1).double().numpy()
    moments = ColorStatistics.of(images_nchw)
    assert np.allclose(moments.mean_c, pixels_cp.mean(axis=1))
    assert np.allclose(moments.covariance_cc, np.cov(pixels_cp, bias=True))
    exact = Normalisation.of(images_nchw.numpy())
    assert np.allclose(moments.mean_c, exact.mean_c)
    assert np.allclose(moments.deviation_c, exact.deviation_c)


def test_each_image_counts_alike_whatever_its_size() -> None:
    small, large = torch.full((3, 2, 2), 10).byte(), torch.full((3, 50, 50), 30).byte()
    assert ColorStatistics.of([small, large]).mean_c == (20.0, 20.0, 20.0)


def test_moments_are_computed_once(tmp_path: Path) -> None:
    path = tmp_path / "moments" / "x.json"
    first = load_or_compute(path, lambda: ColorStatistics.of(pictures()))

    def again() -> ColorStatistics:
        raise AssertionError("computed again")

    assert load_or_compute(path, again) == first


def test_the_shift_is_the_papers_formula() -> None:
    moments = ColorStatistics.of(pictures())
    values_k, vectors_ck = np.linalg.eigh(np.array(moments.covariance_cc) / 255**2)
    shifts_nc = ColorShift.of(moments, seed=4, deviation=0.1)(2, SAMPLES[:100])
    for sample, shift_c in enumerate(shifts_nc):
        one = np.array([sample], dtype=np.int64)
        draws_k = [0.1 * float(keyed_normals(4, 2, one, COLOR + k)[0]) for k in range(3)]
        # An eigenvector's sign is free; its largest component is positive here.
        signs_k = [np.sign(v[np.abs(v).argmax()]) for v in vectors_ck.T]
        expected_c = sum(
            sign * vector * draw * value
            for sign, vector, draw, value in zip(
                signs_k, vectors_ck.T, draws_k, values_k, strict=True
            )
        )
        assert np.allclose(shift_c, 255 * expected_c, atol=1e-4)


def test_shifts_vary_along_the_principal_components() -> None:
    moments = ColorStatistics.of(pictures())
    shifts_nc = ColorShift.of(moments, seed=0, deviation=0.1)(0, SAMPLES)
    covariance_cc = np.array(moments.covariance_cc) / 255**2
    # Sum over k of (0.1 l_k)**2 p_k p_k^T is the square of 0.1 times the covariance.
    expected = (0.1 * covariance_cc) @ (0.1 * covariance_cc) * 255**2
    assert np.allclose(np.cov(shifts_nc.T), expected, rtol=0.05, atol=1e-3 * expected.max())
    assert np.abs(shifts_nc.mean(axis=0)).max() < 0.02 * np.sqrt(expected.max())


def test_a_shift_belongs_to_its_sample_and_epoch() -> None:
    shift = ColorShift.of(ColorStatistics.of(pictures()), seed=0, deviation=0.1)
    whole_nc = shift(1, SAMPLES[:50])
    assert (shift(1, SAMPLES[7:9]) == whole_nc[7:9]).all()
    assert (shift(2, SAMPLES[:50]) != whole_nc).all()


def test_grey_images_are_shifted_too() -> None:
    grey = ColorStatistics.of(pictures()[:, :1])
    shifts_nc = ColorShift.of(grey, seed=0, deviation=0.1)(0, SAMPLES)
    assert shifts_nc.std() == pytest.approx(0.1 * grey.covariance_cc[0][0] / 255, rel=0.03)


def test_normal_draws_are_normal() -> None:
    from scipy import stats

    draws = keyed_normals(0, 0, SAMPLES, COLOR)
    assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert np.isfinite(keyed_normals(5, 3, np.arange(10**6), COLOR)).all()


def test_mean_only_subtracts_the_mean_and_nothing_else() -> None:
    images_nchw = pictures()
    both = Normalisation.of(images_nchw.numpy())
    mean_nchw = both.of_kind("mean")(images_nchw)
    centred = images_nchw.double() - images_nchw.double().mean((0, 2, 3), keepdim=True)
    assert np.allclose(mean_nchw.numpy(), centred.numpy(), atol=1e-4)
    assert both.of_kind("deviation") is both


def test_the_shift_is_added_to_the_pixels_before_normalisation() -> None:
    images_nchw = pictures()
    normalise = Normalisation.of(images_nchw.numpy())
    shifts_nc = torch.arange(90).reshape(30, 3).float()
    shifted = normalise(images_nchw, shifts_nc)
    by_hand = normalise(images_nchw.float() + shifts_nc[:, :, None, None])
    assert torch.allclose(shifted, by_hand, atol=1e-5)


def test_normalisation_is_that_of_the_training_split() -> None:
    images_nchw = pictures().numpy()
    normal_nchw = Normalisation.of(images_nchw)(torch.from_numpy(images_nchw))
    expected = (images_nchw - images_nchw.mean((0, 2, 3), keepdims=True)) / images_nchw.std(
        (0, 2, 3), keepdims=True
    )
    assert np.allclose(normal_nchw.numpy(), expected, atol=1e-5)
