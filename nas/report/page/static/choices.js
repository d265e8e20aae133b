// Parallel coordinates of the choices: one line for each candidate.
const choices = {
  start() {
    choices.figure = document.getElementById("choices");
    if (choices.figure) theme.draw(choices.redraw);
  },

  redraw() {
    if (!choices.figure) return;
    const {data} = plane, {axes} = data, host = choices.figure.querySelector(".plot");
    const usable = plane.usable, value = i => data.posterior[i] === null ? data.accuracy[i] : data.posterior[i];
    const ranked = [...usable].sort((a, b) => value(a) - value(b));
    const rank = new Map(ranked.map((i, at) => [i, ranked.length > 1 ? at / (ranked.length - 1) : .5]));
    const most = Math.max(...axes.map(axis => axis.choices.length));
    const y = (axis, i) => {
      const choice = axis.values[i], space = most / axis.choices.length;
      return (choice + .5 + .62 * (rank.get(i) - .5)) * space;
    };
    const plot = charts.figure({height: 380, x: "", y: "", x_range: [-.35, axes.length - .4], y_range: [-.05, most + .05]});
    plot.sizing_mode = "stretch_width";
    plot.min_width = 120 * axes.length;
    plot.yaxis.visible = plot.xgrid.visible = plot.ygrid.visible = false;
    Object.assign(plot.xaxis, {
      ticker: new Bokeh.FixedTicker({ticks: axes.map((_, at) => at)}),
      major_label_overrides: new Map(axes.map((axis, at) => [at, choices.wrapped(axis.name)])),
      major_label_text_line_height: 1.15,
    });
    axes.forEach((axis, at) => {
      const space = most / axis.choices.length;
      plot.segment({x0: axis.choices.map(() => at), x1: axis.choices.map(() => at), y0: axis.choices.map((_, c) => (c + .15) * space),
        y1: axis.choices.map((_, c) => (c + .85) * space), line_color: theme.colour("soft"), line_width: 3, line_cap: "round"});
    });
    const lines = (indices, colour, width, alpha) => indices.length && plot.multi_line({
      xs: indices.map(() => axes.map((_, at) => at)), ys: indices.map(i => axes.map(axis => y(axis, i))),
      line_color: theme.colour(colour), line_width: width, line_alpha: alpha});
    const top = i => rank.get(i) >= .8;
    const faint = Math.min(.5, 30 / usable.length + .05);
    lines(ranked.filter(i => !top(i)), "kp", 1, faint);
    lines(ranked.filter(top), "k0", 1.3, Math.min(.85, faint * 2.2));
    if (data.winner !== null && rank.has(data.winner)) lines([data.winner], "mark", 3, 1);
    if (plane.pinned !== null && rank.has(plane.pinned)) lines([plane.pinned], "ink", 3, 1);
    axes.forEach((axis, at) => {
      const space = most / axis.choices.length;
      plot.text({x: axis.choices.map(() => at), y: axis.choices.map((_, c) => (c + .5) * space), text: axis.choices.map(text => text.replaceAll("_", " ")),
        x_offset: 7, text_font: "system-ui, sans-serif", text_font_size: "12px", text_color: theme.colour("ink"), text_baseline: "middle",
        background_fill_color: theme.colour("paper"), background_fill_alpha: .8, padding: 1});
    });
    charts.show(plot, host, "The choices of the candidates");
  },

  // Breaks a name such as "stage 1 block 0 kernel" before its last word.
  wrapped(name) {
    const words = name.split(" ");
    return words.length > 1 ? `${words.slice(0, -1).join(" ")}\n${words[words.length - 1]}` : name;
  },
};
