from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from forecaster import Forecast, InputError, MissingExtraError, OutputError, Panel
from forecaster.plots import check_plot, draw_backtest, draw_forecast, plot_backtest, plot_forecast

DAY = np.timedelta64(1, "D")


def daily_panel(count: int = 1, days: int = 60) -> Panel:
    ids = [f"series {number:02}" for number in range(count) for _ in range(days)]
    times = np.tile(np.datetime64("2024-01-01") + np.arange(days) * DAY, count)
    return Panel.from_columns(ids, times, np.arange(count * days, dtype=np.float64) % 7)


def flat_forecast(panel: Panel, h: int = 5, levels: tuple[float, ...] = (80.0, 95.0)) -> Forecast:
    point = np.full((len(panel), h), 3.0)
    spread = np.array(levels)[None, :, None] / 50 * np.ones((len(panel), 1, h))
    lower, upper = point[:, None] - spread, point[:, None] + spread
    return Forecast(
        ids=panel.ids,
        times=panel.future_times(h),
        frequency=panel.frequency,
        point=point,
        levels=levels,
        lower=lower,
        upper=upper,
        timezone=panel.timezone,
    )


def test_twelve_of_many_series_are_drawn_and_the_title_says_so() -> None:
    panel = daily_panel(29)
    figure = draw_forecast(panel, flat_forecast(panel))
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(panel.ids[:12])
    assert figure.get_suptitle() == "Forecast, 5 steps ahead (the first 12 of 29 series)"


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_every_series_has_its_axes(count: int) -> None:
    panel = daily_panel(count)
    figure = draw_forecast(panel, flat_forecast(panel))
    assert sum(axes.get_visible() for axes in figure.axes) == count


def test_the_end_of_the_history_is_drawn_and_the_forecast_joins_it() -> None:
    panel = daily_panel()
    history, forecast, now = draw_forecast(panel, flat_forecast(panel)).axes[0].lines
    assert np.asarray(now.get_xdata(), "datetime64[D]")[0] == np.datetime64("2024-02-29")
    np.testing.assert_array_equal(history.get_ydata(), panel.series(0)[-40:])
    np.testing.assert_array_equal(forecast.get_ydata(), [panel.series(0)[-1], 3, 3, 3, 3, 3])
    np.testing.assert_array_equal(np.asarray(forecast.get_xdata(), "datetime64[D]")[-1], np.datetime64("2024-03-05"))


def test_each_level_is_a_band_and_the_legend_is_there_once() -> None:
    panel = daily_panel(3)
    figure = draw_forecast(panel, flat_forecast(panel))
    assert [len(axes.collections) for axes in figure.axes[:3]] == [2, 2, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "observed",
        "forecast",
        "80 % interval",
        "95 % interval",
    ]
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_the_legend_never_meets_the_title() -> None:
    for count, levels in ((1, (80.0, 95.0)), (5, (80.0, 95.0)), (29, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0))):
        panel = daily_panel(count)
        figure = draw_backtest(panel, [flat_forecast(panel.head(back), levels=levels) for back in (10, 5)])
        figure.canvas.draw()
        (legend,), title = figure.legends, figure._suptitle
        assert title is not None
        assert not legend.get_window_extent().overlaps(title.get_window_extent())
        assert legend.get_window_extent().x1 <= figure.bbox.width


def test_a_value_between_missing_ones_is_seen() -> None:
    values = [1.0, np.nan, 2.0, np.nan, 3.0, 4.0]
    panel = Panel.from_values(values)
    _, dots, *_ = draw_forecast(panel, flat_forecast(panel)).axes[0].lines
    np.testing.assert_array_equal(dots.get_ydata(), [1, 2])


def test_hours_with_a_time_zone_are_shown_as_its_clock_shows_them() -> None:
    times = np.datetime64("2024-07-01T00", "s") + np.arange(48) * np.timedelta64(3600, "s")
    panel = Panel.from_columns(["a"] * 48, times, np.ones(48), timezone="Europe/Berlin", utc=True)
    history, forecast, _ = draw_forecast(panel, flat_forecast(panel)).axes[0].lines
    assert np.asarray(history.get_xdata(), "datetime64[s]")[-1] == np.datetime64("2024-07-03T01:00:00")
    assert np.asarray(forecast.get_xdata(), "datetime64[s]")[1] == np.datetime64("2024-07-03T02:00:00")


def test_series_without_a_forecast_are_left_out() -> None:
    panel = daily_panel(3)
    figure = draw_forecast(panel, flat_forecast(panel.select([2, 0])))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["series 02", "series 00"]


def test_a_backtest_shows_a_forecast_for_every_cutoff_over_the_values() -> None:
    panel = daily_panel(2)
    forecasts = [flat_forecast(panel.head(back)) for back in (10, 5)]
    figure = draw_backtest(panel, forecasts)
    first, first_cutoff, second, second_cutoff, history = figure.axes[0].lines
    np.testing.assert_array_equal(history.get_ydata(), panel.series(0)[-38:])
    for line, cutoff, forecast in ((first, first_cutoff, forecasts[0]), (second, second_cutoff, forecasts[1])):
        np.testing.assert_array_equal(np.asarray(line.get_xdata(), "datetime64[us]"), forecast.times[0])
        assert np.asarray(cutoff.get_xdata(), "datetime64[us]")[0] == forecast.times[0, 0]
    assert figure.get_suptitle() == "Backtest, 5 steps ahead from 2 cutoffs"


def test_nothing_to_draw_is_said() -> None:
    panel = daily_panel()
    with pytest.raises(InputError, match="no series has one"):
        draw_forecast(panel, flat_forecast(panel.select([])))
    with pytest.raises(InputError, match="no cutoffs"):
        draw_backtest(panel, [])


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_format_follows_from_the_name(tmp_path: Path, ending: str, start: bytes) -> None:
    panel = daily_panel(2)
    plot_forecast(panel, flat_forecast(panel), tmp_path / f"a.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{ending}"]
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_ids_are_text_even_where_they_look_like_formulas_or_the_font_lacks_them(tmp_path: Path) -> None:
    panel = Panel.from_columns(["$x^2$ 日本 " + 60 * "x"] * 9, np.arange(9), np.ones(9))
    plot_backtest(panel, [flat_forecast(panel.head(5))], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5_000


def test_what_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png, \.svg, \.pdf"):
        check_plot(tmp_path / "plot.gif")
    with pytest.raises(OutputError, match="there is no folder"):
        check_plot(tmp_path / "nowhere" / "plot.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_plot(tmp_path / "folder.png")


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[plot\]"'):
        check_plot(tmp_path / "plot.png")


def test_a_plot_goes_through_a_link_and_to_a_device_as_tables_do(tmp_path: Path) -> None:
    panel = daily_panel()
    (tmp_path / "real").mkdir()
    (tmp_path / "a.PNG").symlink_to(tmp_path / "real" / "b.png")
    plot_forecast(panel, flat_forecast(panel), tmp_path / "a.PNG")
    assert (tmp_path / "a.PNG").is_symlink()
    assert (tmp_path / "real" / "b.png").read_bytes().startswith(b"\x89PNG")
    plot_forecast(panel, flat_forecast(panel), "/dev/null")
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left"):
        plot_forecast(panel, flat_forecast(panel), "/dev/full")


def test_a_failed_write_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    panel = daily_panel()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        plot_forecast(panel, flat_forecast(panel), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
