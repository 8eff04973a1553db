"""The portal in Django."""

from django.http import JsonResponse

from weft.adapters.django import weft_deadline
from work import check, describe, page_of, profile, report


def check_sites(request):
    urls = request.GET.getlist("url")
    return JsonResponse(dict(zip(urls, map(describe, check(urls).outcomes()), strict=True)))


def show_profile(_request, user):
    return JsonResponse(page_of(profile(user).outcomes()))


@weft_deadline(3.0)
def show_report(request):
    return JsonResponse({"sum_of_primes": sum(report(int(request.GET.get("bound", "20000"))).values())})


def health(_request):
    return JsonResponse({"ok": True})
