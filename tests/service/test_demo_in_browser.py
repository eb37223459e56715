"""The demo model, profiled by one button of an empty service, in a real browser."""

import pytest

from tests.support.browser import tab
from tests.support.service import service

pytestmark = pytest.mark.local


async def test_one_button_leads_from_an_empty_folder_to_the_demos_answers(tmp_path):
    async with tab(tmp_path) as page:
        with service(tmp_path / "runs") as home:
            await page.open(home)
            await page.run("document.querySelector('main button').click()")
            await page.until("document.querySelector('.step progress')", patience=900)
            await page.until("location.pathname.startsWith('/runs/')", patience=900)
            await page.run("document.querySelector('main [href*=\"/samples/attributes\"]').click()")
            await page.until("document.querySelector('[data-keys] tbody a')")
            await page.run("document.querySelector('[data-keys] tbody a').click()")
            await page.until("document.querySelector('.pane .text')")
            assert len(await page.run("document.querySelector('.asked').innerText")) > 20
            assert page.console == []
