// chartOption makes ECharts's option of a chart as chart.go describes it. It runs in browsers
// and in goja: no DOM, no module.

// Okabe and Ito's colours, which colour-blind people can tell apart.
const chartColors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#8c6d31', '#7f7f7f'];
const chartSymbols = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'circle', 'rect', 'triangle'];
const percentileTicks = [50, 90, 95, 99, 99.9, 99.99];

// The place of a percentile on a logarithmic axis: the number of requests of which one is slower.
const placeOf = percentile => 1 / (1 - percentile / 100);

function chartNumber(v) {
	const size = Math.abs(v);
	if (size >= 100) return String(Math.round(v)).replace(/\B(?=(\d{3})+$)/g, ' ');
	return String(Number(v.toFixed(size >= 10 ? 1 : 2)));
}

// legendRows is how many rows the legend takes: ECharts wraps it, but leaves no room.
function legendRows(chart, width) {
	if (chart.series.length < 2) return 0;
	let rows = 1, used = 0;
	for (const s of chart.series) {
		const item = 50 + 7.5 * s.name.length;
		if (used + item > width - 40 && used > 0) rows++, used = 0;
		used += item;
	}
	return rows;
}

const isBars = chart => chart.kind === 'bars' || chart.kind === 'stack';
const topOf = (chart, width) => (isBars(chart) ? 44 : 64) + 24 * legendRows(chart, width);

function chartHeight(chart, {width}) {
	if (!isBars(chart)) return topOf(chart, width) + 300;
	const rows = chart.kind === 'stack' ? 1 : chart.series.length;
	return topOf(chart, width) + 56 + chart.names.length * (14 + 20 * rows);
}

function chartOption(chart, {width, dark}) {
	const ink = dark ? '#e6e6e6' : '#222222', faint = dark ? '#3a3d44' : '#dddddd', paper = dark ? '#1f2228' : '#ffffff';
	const text = {color: ink, fontFamily: 'sans-serif', fontSize: 12};
	const axis = {
		nameTextStyle: text, axisLabel: {...text, hideOverlap: true}, axisLine: {lineStyle: {color: ink}},
		splitLine: {lineStyle: {color: faint}},
	};
	const unit = v => chartNumber(v) + (chart.y ? ' ' + chart.y : '');
	const option = {
		animation: false, color: chartColors, backgroundColor: 'transparent', textStyle: text,
		title: {text: chart.title, left: 8, top: 8, textStyle: {...text, fontSize: 15, fontWeight: 'bold', width: width - 24, overflow: 'truncate'}},
		legend: {show: chart.series.length > 1, top: 36, left: 8, right: 8, textStyle: text, inactiveColor: faint, itemGap: 12},
		grid: {left: 20, right: 28, top: topOf(chart, width), bottom: 12, containLabel: true},
		tooltip: {trigger: 'axis', confine: true, valueFormatter: unit},
	};
	if (isBars(chart)) return Object.assign(option, barParts(chart, {width, axis, text, ink, paper}));
	return Object.assign(option, lineParts(chart, {axis, text, option, unit}));
}

function lineParts(chart, {axis, text, option, unit}) {
	const hdr = chart.kind === 'percentiles';
	const place = x => hdr ? placeOf(x) : x;
	let last = 0;
	for (const s of chart.series) for (const p of s.points || []) last = Math.max(last, p[0]);
	const xAxis = {...axis, type: 'value', name: chart.x, nameLocation: 'middle', nameGap: 28, min: 'dataMin', max: 'dataMax'};
	if (hdr) {
		const ticks = percentileTicks.filter(p => p <= last).map(placeOf);
		const label = v => 'P' + Number((100 * (1 - 1 / v)).toFixed(3));
		Object.assign(xAxis, {
			type: 'log', min: 1, max: placeOf(last), axisTick: {customValues: ticks}, splitLine: {show: false},
			axisLabel: {...axis.axisLabel, customValues: ticks, formatter: label}, axisPointer: {label: {formatter: p => label(p.value)}},
		});
		option.tooltip.formatter = items => items.length === 0 ? '' : [label(items[0].value[0])]
			.concat(items.map(i => i.marker + i.seriesName + ': ' + unit(i.value[1]))).join('<br>');
	}
	option.grid.bottom = chart.x ? 36 : 12;
	return {
		xAxis,
		yAxis: {...axis, type: 'value', min: 0, name: chart.y, nameLocation: 'end', nameTextStyle: {...text, align: 'left'},
			axisLabel: {...axis.axisLabel, formatter: chartNumber}},
		series: chart.series.map((s, i) => ({
			type: 'line', name: s.name, data: (s.points || []).map(p => [place(p[0]), p[1]]),
			symbol: chartSymbols[i % chartSymbols.length], symbolSize: 6, showSymbol: (s.points || []).length <= 40, lineStyle: {width: 2},
			markArea: chart.marks && i === 0 ? markArea(chart.marks, text) : undefined,
		})),
	};
}

// markArea shades the times of marks, whose names take turns in two rows.
const markArea = (marks, text) => ({
	silent: true, itemStyle: {color: 'rgba(128, 128, 128, 0.22)'},
	data: marks.map((m, i) => [
		{name: m.name, xAxis: m.from, label: {...text, fontSize: 11, position: ['0%', i % 2 ? 14 : 0]}}, {xAxis: m.to},
	]),
});

function barParts(chart, {width, axis, text, ink, paper}) {
	const stacked = chart.kind === 'stack';
	let highest = 0;
	chart.names.forEach((_, n) => {
		const values = chart.series.map(s => s.values[n] || 0);
		highest = Math.max(highest, stacked ? values.reduce((a, b) => a + b, 0) : Math.max(...values));
	});
	// Labels stand behind the bars, where the axis must leave room for them.
	const longest = stacked ? 0 : Math.max(...chart.series.flatMap(s => (s.labels || ['1 000']).map(l => l.length)));
	const share = Math.min(0.55, (7 * longest + 16) / Math.max(width - 130, 1));
	return {
		xAxis: {...axis, type: 'value', min: 0, max: stacked || highest === 0 ? null : highest / (1 - share), name: chart.y, nameLocation: 'middle', nameGap: 26,
			axisLabel: {...axis.axisLabel, formatter: chartNumber, showMaxLabel: stacked ? null : false}},
		yAxis: {...axis, type: 'category', data: chart.names, inverse: true, axisTick: {show: false}},
		series: chart.series.map((s, i) => ({
			type: 'bar', name: s.name, stack: stacked ? 'all' : null, barMaxWidth: 18, barGap: '10%', silent: false,
			data: s.values.map((v, n) => ({value: v, label: stacked || !s.labels ? {} : {formatter: s.labels[n]}})),
			label: {...text, textBorderColor: paper, textBorderWidth: 3, show: !stacked, position: 'right', formatter: p => chartNumber(p.value)},
			markLine: chart.line && i === 0 ? {z: 1, silent: true, symbol: 'none', data: [{xAxis: chart.line}], label: {show: false}, lineStyle: {color: ink, type: 'dashed', opacity: 0.4}} : undefined, // Labels lie on the line.
		})),
		grid: {left: 20, right: 20, top: topOf(chart, width), bottom: chart.y ? 32 : 12, containLabel: true},
		tooltip: {trigger: 'axis', confine: true, axisPointer: {type: 'shadow'}, valueFormatter: v => chartNumber(v) + (chart.y ? ' ' + chart.y : '')},
	};
}
