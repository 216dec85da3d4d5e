// Bars over time as SVG, with the same numbers as a table beside them.

import { el, svg, unique } from "./dom.js";
import { number, shortTime } from "./format.js";
import { t, word } from "./i18n.js";

const WIDTH = 640;
const HEIGHT = 150;

/** Bars of buckets `{at, …}`: the members named in `series` stand on one another. */
export function bars(title, buckets, series) {
  const id = unique("chart");
  const most = Math.max(1, ...buckets.map((bucket) => sum(bucket, series)));
  const step = WIDTH / Math.max(1, buckets.length);
  const drawn = buckets.flatMap((bucket, place) => stack(bucket, series, place * step, step, most));
  const total = buckets.reduce((whole, bucket) => whole + sum(bucket, series), 0);
  const label = t("chart.label", { title, total: number(total), most: number(most) });
  return el("figure", { class: "chart" },
    el("figcaption", { id }, title),
    // Time goes from left to right in every language here, as clocks and logs do.
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
      svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" }), drawn),
    legend(series, buckets),
    el("details", {}, el("summary", {}, t("chart.table")), table(buckets, series, id)));
}

const sum = (bucket, series) => series.reduce((whole, name) => whole + (bucket[name] ?? 0), 0);

function stack(bucket, series, x, step, most) {
  let top = HEIGHT;
  return series.map((name) => {
    const height = ((bucket[name] ?? 0) / most) * (HEIGHT - 6);
    top -= height;
    const title = svg("title", {}, `${shortTime(bucket.at)} · ${word(name)}: ${number(bucket[name] ?? 0)}`);
    const gap = Math.min(3, step * 0.2);
    return height > 0 && svg("rect", { x: x + gap / 2, y: top, width: step - gap, height, class: `series ${name}` }, title);
  });
}

function legend(series, buckets) {
  const first = buckets[0]?.at;
  const last = buckets.at(-1)?.at;
  return el("p", { class: "legend" },
    el("span", { class: "several" }, series.map((name) => el("span", {}, el("i", { class: `series ${name}`, "aria-hidden": "true" }), word(name)))),
    first && el("span", { dir: "ltr" }, `${shortTime(first)} → ${shortTime(last)}`));
}

function table(buckets, series, id) {
  const rows = buckets.filter((bucket) => sum(bucket, series) > 0);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id },
    el("table", { "aria-labelledby": id },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("f.at")), series.map((name) => el("th", { scope: "col" }, word(name))))),
      el("tbody", {}, rows.map((bucket) => el("tr", {}, el("th", { scope: "row" }, shortTime(bucket.at)),
        series.map((name) => el("td", {}, number(bucket[name] ?? 0))))))));
}
