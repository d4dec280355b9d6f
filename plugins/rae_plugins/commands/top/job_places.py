"""The place of a job in the list of those that match a text, which is read by parts."""

from rae_auto.screens import RecordSource


async def find_place(source: RecordSource, text: str, job: str) -> int:
    """Return the place of a job, or where it would be, by halving: the list is in the order of ids."""
    low, high = 0, (await source.jobs(text, limit=1)).matched
    while low < high:
        middle = (low + high) // 2
        found = await source.jobs(text, offset=middle, limit=1)
        if found.jobs and found.jobs[0]["id"] < job:
            low = middle + 1
        else:
            high = middle
    return low
