// Figures are drawn when they come into view, and drawn again in other colours with the theme.
(() => {
  "use strict";
  const charts = [...document.querySelectorAll("figure.chart[data-plotly]")];
  if (!charts.length) return;
  const packed = document.getElementById("plotly");
  let source;
  const unpack = async () => {
    const text = atob(packed.textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    source = await new Response(stream).text();
  };
  const load = () => {
    if (!window.Plotly && source) {
      const script = document.createElement("script");
      script.textContent = source;
      document.body.append(script);
    }
    return Boolean(window.Plotly);
  };
  const styles = getComputedStyle(document.documentElement);
  const colour = (name) => styles.getPropertyValue(name).trim();
  const resolved = (value) => {
    if (typeof value === "string") {
      const found = /^var\((--[a-z0-9-]+)\)$/.exec(value);
      return found ? colour(found[1]) : value;
    }
    if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(resolved);
    if (value && typeof value === "object") {
      const copy = {};
      for (const [key, each] of Object.entries(value)) {
        copy[key] = key === "colorscale" && each === "sequential"
          ? [[0, colour("--low")], [1, colour("--high")]]
          : resolved(each);
      }
      return copy;
    }
    return value;
  };
  const layout = (own, width) => {
    const axis = {
      gridcolor: colour("--grid"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
      automargin: true, title: { standoff: 8 },
    };
    const narrow = width < 560;
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
      font: { color: colour("--text"), size: narrow ? 11 : 13, family: "system-ui, sans-serif" },
      margin: { l: 50, r: narrow ? 8 : 20, t: 24, b: 44 }, hovermode: "closest",
      legend: { orientation: narrow ? "h" : "v" },
      hoverlabel: {
        bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--text") },
      },
      dragmode: narrow ? false : "zoom",
      template: { layout: { xaxis: axis, yaxis: axis } },
    };
    return Object.assign(base, resolved(own));
  };
  const parsed = new WeakMap();
  const drawn = new Set();
  // Paper is narrower than most windows: A4 between its margins, in CSS pixels.
  const PAPER = 680;
  let printing = false;
  const draw = (chart) => {
    if (!load()) return;
    if (!parsed.has(chart)) {
      parsed.set(chart, JSON.parse(chart.querySelector("script").textContent));
    }
    const list = chart.querySelector("label.choose select");
    const chosen = parsed.get(chart)[list ? Number(list.value) : 0];
    const place = chart.querySelector(".plot");
    if (!drawn.has(chart)) place.replaceChildren();
    drawn.add(chart);
    place.setAttribute("aria-label", chosen.alt);
    const laid = layout(chosen.layout, place.clientWidth);
    if (printing) Object.assign(laid, { autosize: false, width: Math.min(place.clientWidth, PAPER) });
    Plotly.react(place, resolved(chosen.data), laid, {
      responsive: true, displaylogo: false, displayModeBar: place.clientWidth < 560 ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  };
  for (const chart of charts) {
    const list = chart.querySelector("label.choose select");
    if (list) list.addEventListener("change", () => draw(chart));
  }
  // One after the other, so that the page answers in between.
  const waiting = [];
  const next = () => {
    if (!waiting.length) return;
    draw(waiting.shift());
    setTimeout(next, 0);
  };
  const seen = new IntersectionObserver((entries) => {
    const idle = !waiting.length;
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        waiting.push(entry.target);
      }
    }
    if (idle) setTimeout(next, 0);
  }, { rootMargin: "400px" });
  // Without means to unpack, each figure stays the text that says what it shows.
  if (!window.DecompressionStream) return;
  const idle = window.requestIdleCallback || ((work) => setTimeout(work, 1));
  idle(() => unpack().then(() => charts.forEach((chart) => seen.observe(chart))), { timeout: 500 });
  document.addEventListener("themechange", () => drawn.forEach(draw));
  addEventListener("beforeprint", () => {
    printing = true;
    charts.forEach(draw);
  });
  addEventListener("afterprint", () => {
    printing = false;
    drawn.forEach(draw);
  });
  document.addEventListener("toggle", (event) => {
    for (const chart of event.target.querySelectorAll("figure.chart[data-plotly]")) {
      if (drawn.has(chart)) draw(chart);
    }
  }, true);
})();
