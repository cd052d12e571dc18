//! Files that are written beside the agent's one task: a container that lives for a
//! moment has to be named while the disk is waited for.

use std::thread::JoinHandle;

/// A file, here or with a write that is under way. `R` is what a write ends with.
pub struct Beside<T, R> {
    here: Option<T>,
    under_way: Option<JoinHandle<(T, R)>>,
    ended: Option<R>,
}

impl<T: Send + 'static, R: Send + 'static> Beside<T, R> {
    /// Nothing is under way.
    pub fn new(file: T) -> Self {
        Self {
            here: Some(file),
            under_way: None,
            ended: None,
        }
    }

    /// The file; a write that is under way is waited for.
    pub fn get(&mut self) -> &mut T {
        self.take_back();
        self.here.as_mut().expect("no write is under way")
    }

    /// Whether a write is under way that would have to be waited for.
    pub fn is_busy(&self) -> bool {
        let write = self.under_way.as_ref();
        write.is_some_and(|write| !write.is_finished())
    }

    /// Begins a write. How the one before ended has to be asked first.
    pub fn begin(&mut self, write: impl FnOnce(&mut T) -> R + Send + 'static) {
        self.take_back();
        let Some(mut file) = self.here.take() else {
            return;
        };
        self.under_way = Some(std::thread::spawn(move || {
            let result = write(&mut file);
            (file, result)
        }));
    }

    /// How the last write ended, once; it is waited for.
    pub fn ended(&mut self) -> Option<R> {
        self.take_back();
        self.ended.take()
    }

    fn take_back(&mut self) {
        let Some(write) = self.under_way.take() else {
            return;
        };
        match write.join() {
            Ok((file, result)) => {
                self.here = Some(file);
                self.ended = Some(result);
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_write_is_waited_for_only_where_it_has_to_be() {
        let mut beside = Beside::new(Vec::new());
        let (go, gone) = mpsc::channel::<()>();

        beside.begin(move |file| {
            gone.recv().expect("it is sent");
            file.push(1);
            "written"
        });
        assert!(beside.is_busy());
        go.send(()).expect("it is awaited");

        assert_eq!(beside.get(), &[1]);
        assert!(!beside.is_busy());
        assert_eq!(beside.ended(), Some("written"));
        assert_eq!(beside.ended(), None);
    }
}
