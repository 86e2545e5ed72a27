const dark = matchMedia('(prefers-color-scheme: dark)');
const drawn = new Map();
function draw(chart) {
	const at = document.getElementById('chart-' + chart.name), width = at.clientWidth;
	const before = drawn.get(chart.name);
	if (before && before.width === width && before.dark === dark.matches) return;
	if (before) before.instance.dispose();
	const look = {width, dark: dark.matches}, height = chartHeight(chart, look);
	at.style.height = height + 'px';
	const instance = echarts.init(at, null, {renderer: 'svg', width, height});
	instance.setOption(chartOption(chart, look));
	drawn.set(chart.name, {instance, ...look});
}
const drawAll = () => charts.forEach(draw);
drawAll();
addEventListener('resize', drawAll);
dark.addEventListener('change', drawAll);
