"""
Enters orders into a web portal and reads back what the portal confirmed.

The portal is a page that this bot serves itself, so that it runs anywhere; the browser is a real Chromium, driven by
Selenium without a window.
"""

# Import for the page that the bot works on
import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Import for the web browser
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

# Import for integration with BotCity Maestro SDK
from botcity.maestro import *

# Disable errors if we are not connected to Maestro
BotMaestroSDK.RAISE_NOT_CONNECTED = False

RESOURCES = Path(__file__).parent / "resources"
ORDERS = [("Keyboard", 3), ("Monitor", 2), ("Cable", 40), ("Docking station", 1)]


def main():
    maestro = BotMaestroSDK.from_sys_args()
    execution = maestro.get_execution()
    print(f"Task ID is: {execution.task_id}", flush=True)

    pictures = Path(os.environ.get("BOTYARD_ARTIFACTS", "artifacts"))
    pictures.mkdir(parents=True, exist_ok=True)
    processed = 0
    try:
        with Portal() as url, Browser() as browser:
            browser.get(url)
            print(f"Opened: {browser.title}", flush=True)
            for article, amount in ORDERS:
                number = enter(browser, article, amount)
                processed += 1
                print(f"{amount} x {article}: confirmed as {number}", flush=True)
                browser.save_screenshot(str(pictures / f"{number}.png"))
        status, message = AutomationTaskFinishStatus.SUCCESS, f"{processed} orders confirmed"
    except Exception as error:
        status, message = AutomationTaskFinishStatus.FAILED, f"{type(error).__name__}: {error}"

    print(f"{status.value}: {message}", flush=True)
    maestro.finish_task(
        task_id=execution.task_id,
        status=status,
        message=message,
        total_items=len(ORDERS),
        processed_items=processed,
        failed_items=len(ORDERS) - processed,
    )


def enter(browser, article, amount):
    for name, value in (("article", article), ("amount", str(amount))):
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)
    known = len(browser.find_elements(By.CSS_SELECTOR, "#orders tr"))
    browser.find_element(By.ID, "send").click()
    WebDriverWait(browser, 10).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "#orders tr")) > known)
    row = WebDriverWait(browser, 10).until(
        expected.visibility_of_element_located((By.CSS_SELECTOR, "#orders tr:last-child .number"))
    )
    return row.text


class Portal:
    """The page under work, on a free port of this machine."""

    def __enter__(self):
        handler = partial(QuietHandler, directory=str(RESOURCES))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/portal.html"

    def __exit__(self, *failure):
        self.server.shutdown()
        self.server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Browser:
    """A Chromium without a window; ended in every case."""

    def __enter__(self):
        options = Options()
        options.binary_location = find_chromium()
        options.add_argument("--headless=new")
        options.add_argument("--window-size=1000,700")
        options.add_argument("--disable-gpu")
        options.add_argument("--disable-dev-shm-usage")
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start for root
            options.add_argument("--no-sandbox")
        driver = shutil.which("chromedriver")
        # Without a driver on the machine Selenium looks for one that fits the browser
        self.browser = webdriver.Chrome(options=options, service=Service(driver) if driver else Service())
        return self.browser

    def __exit__(self, *failure):
        self.browser.quit()


def find_chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise RuntimeError("No Chromium on this machine (looked for: CHROME, " + ", ".join(names) + ")")
    return found


def not_found(label):
    print(f"Element not found: {label}")


if __name__ == '__main__':
    main()
