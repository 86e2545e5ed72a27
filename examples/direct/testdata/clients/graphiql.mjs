// Opens GraphiQL, runs a query in it, and prints the result that it shows.
//   node graphiql.mjs <chromium> <url of the page> <file of the screenshot>
import puppeteer from "puppeteer-core";
const [, , executablePath, url, screenshot] = process.argv;

const browser = await puppeteer.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  page.on("pageerror", (e) => console.error(String(e)));
  await page.setViewport({ width: 1200, height: 700 });
  await page.goto(url, { waitUntil: "networkidle0" });
  await page.waitForSelector(".graphiql-execute-button");
  await page.click(".graphiql-execute-button");
  await page.waitForFunction(() => document.querySelector(".result-window")?.textContent.includes("followerCount"), { timeout: 20000 });
  // The documentation comes from introspection.
  await page.click('[aria-label="Show Documentation Explorer"]');
  await page.waitForFunction(() => document.body.textContent.includes("Mutation"), { timeout: 20000 });
  await page.screenshot({ path: screenshot });
  console.log(await page.evaluate(() => document.querySelector(".result-window").textContent));
} finally {
  await browser.close();
}
