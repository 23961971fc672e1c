// The overview renews itself every five seconds, and draws its charts. Without this file the page shows the same figures.
(() => {
  "use strict";
  const EVERY = 5000;
  const page = document.getElementById("overview");
  if (!page) return;
  const byId = (id) => document.getElementById(id);
  const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Figures and words

  const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const timeOf = (at) => {
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = at;
    return time;
  };

  const showTile = ({ name, value, note, tone, link, link_text }) => {
    const tile = page.querySelector(`[data-tile="${name}"]`);
    tile.dataset.tone = tone;
    set(tile.querySelector(".value"), value);
    set(tile.querySelector(".note"), note);
    const where = tile.querySelector("a");
    where.hidden = !link;
    where.href = link;
    set(where, link_text);
  };

  const labels = [...page.querySelectorAll(".numbers thead th")].map((cell) => cell.textContent);
  const rowOf = ({ at, figures }) => {
    const row = document.createElement("tr");
    const start = document.createElement("th");
    start.scope = "row";
    start.append(timeOf(at));
    const cells = figures.map((text) => Object.assign(document.createElement("td"), { className: "number", textContent: text }));
    row.append(start, ...cells);
    [...row.children].forEach((cell, place) => { cell.dataset.label = labels[place]; });
    return row;
  };

  const show = (seen) => {
    byId("nothing").hidden = !seen.empty;
    byId("figures").hidden = seen.empty;
    seen.tiles.forEach(showTile);
    set(byId("balance"), seen.balance);
    byId("balance").dataset.tone = seen.tone;
    set(byId("latency"), seen.latency);
    page.querySelector(".numbers tbody").replaceChildren(...seen.rows.map(rowOf));
    byId("fresh").replaceChildren("Up to ", timeOf(seen.until));
    document.dispatchEvent(new Event("overview:renewed"));
  };

  // Charts

  const spans = [[1, 1000, "ms"], [120, 1, "s"], [7200, 1 / 60, "min"], [Infinity, 1 / 3600, "h"]];
  const span = (seconds) => {
    if (!seconds) return seconds === 0 ? "0" : "–";
    const [, factor, unit] = spans.find(([limit]) => seconds < limit);
    return `${+(seconds * factor).toPrecision(3)} ${unit}`;
  };
  const number = (value) => (value == null ? "–" : value.toLocaleString("en-GB"));
  const clock = uPlot.fmtDate("{HH}:{mm}"), day = uPlot.fmtDate("{D} {MMM}"), whole = uPlot.fmtDate("{D} {MMM} {HH}:{mm}");
  const moment = (_, seconds) => (seconds == null ? "point at the chart" : whole(new Date(seconds * 1000)));
  const times = (_, at, __, ___, step) => at.map((seconds) => (step < 86400 ? clock : day)(new Date(seconds * 1000)));

  const integers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const lengths = [
    .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200,
    3600, 7200, 18000, 36000, 86400, 172800,
  ];

  // The next label above the highest value, so that nothing is higher than the scale.
  const top = (high, steps) => {
    const step = steps.find((one) => high / one <= 5) ?? high;
    return Math.ceil(high / step) * step;
  };

  const axis = (more) => ({
    stroke: colour("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false },
    grid: { stroke: colour("--line"), width: 1 }, ...more,
  });
  const chart = (element, series, data, { values, incrs, step }) => {
    const made = new uPlot({
      width: element.clientWidth,
      height: 200,
      padding: [8, 24, 0, 0], // half of the last time's width is right of the chart
      cursor: { y: false, points: { show: false }, drag: { x: false } },
      legend: { live: true },
      scales: { x: { range: (_, low, high) => [low, high + step] }, y: { range: (_, __, high) => [0, high > 0 ? top(high, incrs) : 1] } },
      axes: [axis({ values: times, grid: { show: false }, gap: 8, size: 32 }), axis({ values: (_, all) => all.map(values), incrs, size: 56 })],
      series: [{ label: "From", value: moment }, ...series],
    }, data, element);
    new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: 200 })).observe(element);
    return made;
  };

  // Each bar of a step is drawn over the one before it, which is as high as both: together they look stacked.
  const bars = (label, name, key) => ({
    label, fill: colour(name), stroke: colour(name), width: 0, points: { show: false },
    paths: uPlot.paths.bars({ size: [0.8, 40], align: 1 }),
    value: (_, __, ___, place) => (place == null ? "" : number(drawn[key][place])),
  });
  const alone = ({ data }, key) => data[key].flatMap( // a value without neighbours has no line, only a point
    (value, place) => (value != null && data[key][place - 1] == null && data[key][place + 1] == null ? [place] : []));
  const line = (label, name) => ({
    label, stroke: colour(name), width: 2, points: { size: 5, fill: colour(name), filter: alone }, value: (_, value, __, place) => (place == null ? "" : span(value)),
  });
  const counts = ({ at, accepted, sent, failed, in_work }) => [
    at, accepted, sent.map((all, place) => all + failed[place] + in_work[place]), sent.map((all, place) => all + failed[place]), sent,
  ];
  const latencies = ({ at, p50, p95 }) => [at, p95, p50];

  let drawn, made;
  const draw = (columns) => {
    drawn = columns;
    drawn.other = drawn.accepted.map((all, place) => all - drawn.sent[place] - drawn.failed[place] - drawn.in_work[place]);
    if (made) {
      made[0].setData(counts(drawn));
      made[1].setData(latencies(drawn));
    } else if (!byId("figures").hidden) {
      made = [
        chart(byId("counts"), [
          bars("Ended otherwise", "--chart-other", "other"), bars("In work", "--chart-work", "in_work"),
          bars("Failed", "--chart-failed", "failed"), bars("Sent", "--chart-sent", "sent"),
        ], counts(drawn), { values: number, incrs: integers, step: drawn.step }),
        chart(byId("times"), [line("95 %", "--chart-p95"), line("Half", "--chart-p50")], latencies(drawn),
          { values: span, incrs: lengths, step: drawn.step }),
      ];
    }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => made?.forEach((one) => one.redraw()));

  // Every five seconds, while somebody looks

  const renew = async () => {
    try {
      const answer = await fetch(`/overview/figures?period=${page.dataset.period}`);
      if (answer.redirected) return location.reload(); // to the login
      if (!answer.ok) throw new Error(answer.status);
      const { page: seen, charts } = await answer.json();
      show(seen);
      draw(charts);
    } catch {
      byId("fresh").classList.add("stale");
      return;
    }
    byId("fresh").classList.remove("stale");
  };
  const often = async () => {
    if (!document.hidden) await renew();
    setTimeout(often, EVERY);
  };
  often();
})();
