"""Logging in with a token, and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from profiler.service.pages import render
from profiler.service.safety import COOKIE, LASTS, Doors, cookie_of

router = APIRouter(include_in_schema=False)


@router.get("/login")
def form(request: Request, next: str = "/") -> HTMLResponse:
    """Where a token is put in."""
    return HTMLResponse(render("login.html", request=request, it={"next": next, "wrong": False}))


@router.post("/login")
def log_in(request: Request, token: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:
    """A cookie for who brings a token."""
    doors: Doors = request.app.state.doors
    if not (cookie := doors.log_in(token.strip())):
        page = render("login.html", request=request, it={"next": next, "wrong": True})
        return HTMLResponse(page, 401)
    # Only to a place of ours: `//elsewhere` and `/\elsewhere` lead away.
    ours = next.startswith("/") and not next.startswith(("//", "/\\")) and next.isprintable()
    answer = RedirectResponse(next if ours else "/", 303)
    secure = doors.secure(request.headers.get("host", ""))
    # Lax: with Strict, a link that somebody was sent would ask for the token again.
    answer.set_cookie(COOKIE, cookie, max_age=int(LASTS), httponly=True, samesite="lax", secure=secure)
    return answer


@router.post("/logout")
def log_out(request: Request) -> RedirectResponse:
    """End the login that this browser has."""
    if cookie := cookie_of(request.headers):
        request.app.state.doors.log_out(cookie)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer
