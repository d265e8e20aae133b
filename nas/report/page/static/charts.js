// Charts from the data that the report wrote: see nas/report/page/charts.py.
const charts = {
  // An empty figure in the page's colours; ``xs`` and ``ys`` are the values that it will show.
  figure(spec, tools = [], xs = charts.values(spec, "x"), ys = charts.values(spec, "y")) {
    const narrow = innerWidth < 560;
    const ranges = {};
    if (spec.y_zero) ranges.y_range = new Bokeh.DataRange1d({start: 0});
    if (spec.x_range) ranges.x_range = new Bokeh.Range1d({start: spec.x_range[0], end: spec.x_range[1]});
    if (spec.y_range) ranges.y_range = new Bokeh.Range1d({start: spec.y_range[0], end: spec.y_range[1]});
    const plot = Bokeh.Plotting.figure({
      ...ranges,
      height: narrow ? Math.min(spec.height, 320) : spec.height,
      sizing_mode: "stretch_width", tools, toolbar_location: null, output_backend: "canvas",
      x_axis_type: spec.x_log ? "log" : "linear", y_axis_type: spec.y_log ? "log" : "linear",
      background_fill_color: null, border_fill_color: null, outline_line_color: null,
      min_border_right: 12, min_border_top: 8, min_border_left: 8, min_border_bottom: 8,
    });
    const font = "system-ui, sans-serif", ink = theme.colour("ink"), soft = theme.colour("soft");
    for (const [axis, label] of [[plot.xaxis, spec.x], [plot.yaxis, spec.y]]) {
      Object.assign(axis, {
        axis_label: label, axis_label_text_font: font, axis_label_text_font_size: "13px",
        axis_label_text_font_style: "normal", axis_label_text_color: ink, axis_label_standoff: 6,
        major_label_text_font: font, major_label_text_font_size: "12px", major_label_text_color: soft,
        axis_line_color: null, major_tick_line_color: null, minor_tick_line_color: null,
      });
    }
    if (narrow && !spec.x_log) plot.xaxis.ticker = new Bokeh.BasicTicker({desired_num_ticks: 4});
    const formatter = new Bokeh.BasicTickFormatter({power_limit_low: -6, power_limit_high: 8});
    for (const [axis, grid, log, values] of [[plot.xaxis, plot.xgrid, spec.x_log, xs], [plot.yaxis, plot.ygrid, spec.y_log, ys]]) {
      axis.formatter = formatter;
      if (log) axis.ticker = grid.ticker = charts.decades(values, axis === plot.xaxis && narrow);
    }
    for (const grid of [plot.xgrid, plot.ygrid]) Object.assign(grid, {grid_line_color: theme.colour("line")});
    plot.toolbar.active_drag = null;
    return plot;
  },

  values(spec, axis) { return (spec.layers || []).flatMap(layer => layer[axis] || []); },

  // Ticks of a logarithmic axis: 1, 2 and 5 in every decade, 1 and 3 where there is little room, or powers of ten.
  decades(values, narrow) {
    const low = Math.log10(Math.min(...values)), high = Math.log10(Math.max(...values)), ticks = [];
    const steps = high - low > 3 ? [1] : narrow && high - low > 1 ? [1, 3] : [1, 2, 5];
    for (let power = Math.floor(low); power <= high; power++) {
      ticks.push(...steps.map(each => +(each * 10 ** power).toPrecision(1)));
    }
    return new Bokeh.FixedTicker({ticks: ticks.filter(tick => tick >= 10 ** (low - .02) && tick <= 10 ** (high + .02))});
  },

  points(plot, layer) {
    const colour = theme.colour(layer.colour), bars = {x: layer.x_bars, y: layer.y_bars};
    for (const [axis, ends] of Object.entries(bars)) {
      if (!ends) continue;
      const across = axis === "x";
      charts.layers.push(plot.segment({
        x0: across ? ends.map(e => e[0]) : layer.x, x1: across ? ends.map(e => e[1]) : layer.x,
        y0: across ? layer.y : ends.map(e => e[0]), y1: across ? layer.y : ends.map(e => e[1]),
        line_color: colour, line_alpha: .5,
      }));
    }
    const source = new Bokeh.ColumnDataSource({data: {x: layer.x, y: layer.y, tip: layer.tips || layer.x.map(() => ""),
      size: layer.x.map((_, i) => Array.isArray(layer.size) ? layer.size[i] : layer.size || 8)}});
    const renderer = plot.scatter({
      x: {field: "x"}, y: {field: "y"}, size: {field: "size"}, source, marker: layer.marker || "circle",
      fill_color: layer.hollow ? theme.colour("paper") : colour,
      line_color: layer.hollow || layer.marker === "x" ? colour : theme.colour("paper"),
      line_width: layer.hollow ? 1.6 : .7, fill_alpha: layer.hollow ? .6 : .88,
    });
    renderer.nonselection_glyph = renderer.glyph;
    renderer.selection_glyph = renderer.glyph;
    return [renderer, source];
  },

  line(plot, layer) {
    const colour = theme.colour(layer.colour);
    if (layer.fill) return plot.patch({x: layer.x, y: layer.y, fill_color: colour, fill_alpha: .13, line_color: null});
    const style = {line_color: colour, line_width: 2, line_dash: layer.dash ? [5, 4] : []};
    if (layer.x.length === 1) return plot.scatter({x: layer.x, y: layer.y, size: 7, line_color: colour, fill_color: colour});
    return layer.step ? plot.step({x: layer.x, y: layer.y, mode: "after", ...style}) : plot.line({x: layer.x, y: layer.y, ...style});
  },

  rule(plot, x, name, colour = "ink") {
    const span = new Bokeh.Span({location: x, dimension: "height", line_color: theme.colour(colour), line_dash: [4, 4], line_width: 1.2});
    plot.add_layout(span);
    const label = new Bokeh.Label({
      x, y: 6, y_units: "screen", text: name, text_font: "system-ui, sans-serif", text_font_size: "12px",
      text_color: theme.colour(colour), x_offset: -5, angle: Math.PI / 2,
    });
    plot.add_layout(label);
    return [span, label];
  },

  // Shows the tip of the mark under the pointer.
  tips(plot, sources, text = (source, index) => source.data.tip[index]) {
    const renderers = plot.renderers.filter(each => sources.includes(each.data_source));
    plot.add_tools(new Bokeh.HoverTool({renderers, tooltips: null, point_policy: "follow_mouse"}));
    return source => source.inspect.connect(([, {geometry}]) => {
      const [index] = source.inspected.indices;
      if (index === undefined) { if (charts.tipped === source) tip.hide(); return; }
      charts.tipped = source;
      const box = charts.hosts.get(plot).getBoundingClientRect();
      const words = text(source, index);
      if (words) tip.show(words, box.left + geometry.sx, box.top + geometry.sy);
    });
  },

  hosts: new Map(),
  layers: [],

  async show(plot, host, label) {
    host.replaceChildren();
    host.setAttribute("role", "img");
    host.setAttribute("aria-label", label);
    charts.hosts.set(plot, host);
    return Bokeh.Plotting.show(plot, host);
  },

  // Draws the chart of one figure, with a legend whose entries switch layers on and off.
  draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const host = figure.querySelector(".plot"), legend = figure.querySelector(".legend");
    const hidden = new Set([...legend.querySelectorAll("[aria-pressed=false]")].map(each => each.textContent));
    const plot = charts.figure(spec), sources = [];
    legend.replaceChildren();
    for (const layer of spec.layers) {
      charts.layers = [];
      if (layer.type === "rule") { charts.rule(plot, layer.x, layer.name); continue; }
      if (!layer.x.length) continue;
      if (layer.type === "line") charts.layers.push(charts.line(plot, layer));
      else {
        const [renderer, source] = charts.points(plot, layer);
        charts.layers.push(renderer);
        if (layer.tips) sources.push(source);
      }
      if (layer.name) legend.append(charts.entry(layer, charts.layers, hidden.has(layer.name)));
    }
    if (sources.length) sources.forEach(charts.tips(plot, sources));
    host.addEventListener("mouseleave", tip.hide);
    return charts.show(plot, host, spec.title);
  },

  // An entry of a legend: a button that switches its layers.
  entry(layer, renderers, hidden = false) {
    const shape = layer.type === "line" ? (layer.fill ? "area" : layer.dash ? "dashed" : "line") : layer.marker || "circle";
    const swatch = element("span", {class: `swatch ${shape}${layer.hollow ? " hollow" : ""}`, style: `--c:var(--${layer.colour})`});
    const set = (button, on) => {
      button.setAttribute("aria-pressed", on);
      renderers.forEach(each => { each.visible = on; });
    };
    const button = element("button", {type: "button", class: "entry", onclick: () => set(button, button.getAttribute("aria-pressed") === "false")},
      swatch, layer.name);
    set(button, !hidden);
    return button;
  },

  start() {
    for (const figure of document.querySelectorAll("figure.chart")) theme.draw(() => charts.draw(figure));
  },
};
