"""What `fxbench live` does: a camera, answers in a thread of their own, a window or a page.

The camera (:mod:`fxbench.live.sources`), the components (:mod:`fxbench.live.session`) and the
display (:mod:`fxbench.live.window`, :mod:`fxbench.live.browser`) each go at their own pace. Each
takes the newest that there is, so that none waits for another and nothing piles up.
"""
