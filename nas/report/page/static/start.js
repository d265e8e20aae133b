Bokeh.set_log_level("warn");
networks.data && networks.start();
charts.start();
typeof plane !== "undefined" && plane.start();
typeof explorer !== "undefined" && explorer.start();
document.documentElement.dataset.ready = "yes";
performance.mark("ready");
