//! Fetching: `apt` with a state folder of its own, for another architecture and suite.

use super::{Manifest, modules, sources};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Debian's suites that have the port, oldest first: one is taken where the installed suite has
/// none, or where its index can't be had at the moment.
const SUITES_WITH_PORT: [&str; 3] = ["trixie", "forky", "sid"];
const KERNEL: &str = "linux-image-riscv64";
const BUSYBOX: &str = "busybox-static";

/// Fetches and unpacks into a folder of `cache` named after the suite, and returns that folder.
pub fn fetch(cache: &Path, only: Option<&str>) -> Result<PathBuf> {
    for tool in ["apt-get", "apt-cache", "apt-config", "dpkg-deb"] {
        if Command::new(tool).arg("--version").output().is_err() {
            bail!("`{tool}` is missing: packages can be fetched on Debian and its kin only");
        }
    }
    let installed = codename().context("/etc/os-release names no suite")?;
    let mut passed_over = Vec::new();
    for suite in suites(&installed, only) {
        let apt = Apt::new(cache, &installed, &suite)?;
        match apt.take(&passed_over) {
            Ok(folder) => {
                if only.is_none() {
                    fs::write(cache.join("current"), format!("{suite}\n"))?;
                }
                return Ok(folder);
            }
            Err(error) => {
                _ = fs::remove_dir_all(&apt.state);
                passed_over.push(format!("{suite}: {error:#}"));
            }
        }
    }
    Err(anyhow!("no suite has the packages\n  {}", passed_over.join("\n  ")))
}

/// The suites to try, in order.
fn suites(installed: &str, only: Option<&str>) -> Vec<String> {
    let mut all = match only {
        Some(only) => vec![only.to_owned()],
        None => [installed].into_iter().chain(SUITES_WITH_PORT).map(Into::into).collect(),
    };
    let mut seen = Vec::new();
    all.retain(|name| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    all
}

fn codename() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"').to_owned())
}

/// One suite's `apt`, apart from the system's.
struct Apt {
    suite: String,
    /// Where the unpacked files end.
    folder: PathBuf,
    /// Lists, downloads and the configuration file.
    state: PathBuf,
}

impl Apt {
    fn new(cache: &Path, installed: &str, suite: &str) -> Result<Self> {
        let state = cache.join(format!("apt-{suite}"));
        for part in ["lists/partial", "cache/archives/partial", "sources", "debs"] {
            fs::create_dir_all(state.join(part))?;
        }
        fs::write(state.join("status"), "")?;
        let apt = Self { suite: suite.to_owned(), folder: cache.join(suite), state };
        apt.write_sources(installed)?;
        apt.write_configuration()?;
        Ok(apt)
    }

    fn write_sources(&self, installed: &str) -> Result<()> {
        let (list, parts) =
            (system_path("Dir::Etc::sourcelist/f")?, system_path("Dir::Etc::sourceparts/d")?);
        let mut found = false;
        for (number, (path, text)) in sources::installed(&list, &parts).into_iter().enumerate() {
            let renamed = sources::rename(&path, &text, installed, &self.suite);
            let ext = path.extension().and_then(|ext| ext.to_str()).unwrap_or("list");
            let target = self.state.join(format!("sources/{number}.{ext}"));
            match renamed.is_empty() {
                true => _ = fs::remove_file(target),
                false => {
                    found = true;
                    fs::write(target, renamed)?;
                }
            }
        }
        match found {
            true => Ok(()),
            false => bail!("no installed apt source names the suite {installed}"),
        }
    }

    /// Hooks of the installed configuration belong to the system's own state: they are cleared.
    fn write_configuration(&self) -> Result<()> {
        let state = self.state.to_str().filter(|path| !path.contains(['"', '\n']));
        let state = state.context("the folder's name can't be told to apt")?;
        let text = format!(
            "#clear APT::Architectures;\n#clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
             APT::Architecture \"riscv64\";\nAPT::Architectures {{ \"riscv64\"; }};\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"2\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             Acquire::IndexTargets::deb::CNF::DefaultEnabled \"false\";\n\
             Dir::State \"{state}\";\nDir::State::lists \"{state}/lists\";\n\
             Dir::State::status \"{state}/status\";\nDir::Cache \"{state}/cache\";\n\
             Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{state}/sources\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\n"
        );
        fs::write(self.state.join("apt.conf"), text)?;
        Ok(())
    }

    fn command(&self, program: &str, args: &[&str]) -> Result<Output> {
        Command::new(program)
            .arg("-c")
            .arg(self.state.join("apt.conf"))
            .args(args)
            .env("LC_ALL", "C")
            .current_dir(self.state.join("debs"))
            .output()
            .with_context(|| format!("could not start {program}"))
    }

    fn take(&self, passed_over: &[String]) -> Result<PathBuf> {
        eprintln!("fetching Debian's riscv64 kernel and busybox ({})", self.suite);
        let update = self.command("apt-get", &["-q", "update"])?;
        // A missing companion suite is no harm, so it is the index that tells whether it worked.
        let Some(kernel) = self.kernel_package()? else {
            let said = String::from_utf8_lossy(&update.stderr);
            let why = said.lines().find(|line| line.starts_with("E: "));
            bail!("{}", why.unwrap_or("has no riscv64 port").trim_start_matches("E: "));
        };
        let mut names = vec![kernel.clone()];
        names.extend(self.depends(&kernel)?.into_iter().filter(|name| is_kernel_part(name)));
        names.push(BUSYBOX.into());
        let packages = self.download(&names)?;
        self.unpack(&packages, passed_over)
    }

    /// The package that the suite's kernel metapackage stands for.
    fn kernel_package(&self) -> Result<Option<String>> {
        let mut depends = self.depends(KERNEL)?.into_iter();
        Ok(depends.find(|name| name.starts_with("linux-image-") && name.ends_with("-riscv64")))
    }

    fn depends(&self, package: &str) -> Result<Vec<String>> {
        let shown = self.command("apt-cache", &["show", "--no-all-versions", package])?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Depends:")).unwrap_or("");
        let names = line.split([',', '|']).filter_map(|item| item.split_whitespace().next());
        Ok(names.map(Into::into).collect())
    }

    /// Downloads, and returns (package, version, file).
    fn download(&self, names: &[String]) -> Result<Vec<(String, String, PathBuf)>> {
        let debs = self.state.join("debs");
        fs::remove_dir_all(&debs)?;
        fs::create_dir_all(&debs)?;
        let mut args = vec!["-q", "download"];
        args.extend(names.iter().map(String::as_str));
        let output = self.command("apt-get", &args)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{}",
                said.lines().find(|line| line.starts_with("E: ")).unwrap_or("download failed")
            );
        }
        let mut files: Vec<_> = fs::read_dir(&debs)?.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|ext| ext == "deb"));
        files.sort();
        files
            .into_iter()
            .map(|file| {
                let field = |name| deb_field(&file, name);
                Ok((field("Package")?, field("Version")?, file.clone()))
            })
            .collect()
    }

    fn unpack(
        &self,
        packages: &[(String, String, PathBuf)],
        passed_over: &[String],
    ) -> Result<PathBuf> {
        let tree = self.state.join("tree");
        let fresh = self.state.join("fresh");
        for folder in [&tree, &fresh] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
        }
        for (_, _, file) in packages {
            crate::shell::run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&tree))?;
        }
        let (kernel, release) = find_kernel(&tree)?;
        fs::copy(kernel, fresh.join("Image"))?;
        let busybox = ["bin/busybox", "usr/bin/busybox"].map(|path| tree.join(path));
        let busybox = busybox.iter().find(|path| path.is_file()).context("no busybox inside")?;
        fs::copy(busybox, fresh.join("busybox"))?;
        let modules = modules::collect(&tree, &release, &fresh.join("modules"))?;
        let manifest = Manifest {
            suite: self.suite.clone(),
            packages: packages
                .iter()
                .map(|(name, version, _)| (name.clone(), version.clone()))
                .collect(),
            release,
            modules,
            passed_over: passed_over.to_vec(),
        };
        fs::write(fresh.join("manifest.json"), serde_json::to_string_pretty(&manifest)?)?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::rename(&fresh, &self.folder)?;
        fs::remove_dir_all(&self.state)?;
        Ok(self.folder.clone())
    }
}

/// Newer suites split the kernel: the image and its modules are packages of their own.
fn is_kernel_part(name: &str) -> bool {
    ["linux-binary-", "linux-modules-"].iter().any(|prefix| name.starts_with(prefix))
}

fn system_path(item: &str) -> Result<PathBuf> {
    let output = Command::new("apt-config").args(["shell", "value", item]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = text.trim().strip_prefix("value='").and_then(|rest| rest.strip_suffix('\''));
    Ok(PathBuf::from(value.with_context(|| format!("apt-config knows no {item}"))?))
}

fn deb_field(file: &Path, field: &str) -> Result<String> {
    let output = Command::new("dpkg-deb").arg("-f").arg(file).arg(field).output()?;
    if !output.status.success() {
        bail!("dpkg-deb can't read {}", file.display());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The flat image is `boot/vmlinux-RELEASE`, or `vmlinuz` beside its modules.
fn find_kernel(tree: &Path) -> Result<(PathBuf, String)> {
    let places =
        [("boot", "vmlinux-", ""), ("boot", "vmlinuz-", ""), ("usr/lib/modules", "", "vmlinuz")];
    for (folder, prefix, file) in places {
        for entry in fs::read_dir(tree.join(folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if file.is_empty() { entry.path() } else { entry.path().join(file) };
            if let (Some(release), true) = (name.strip_prefix(prefix), path.is_file()) {
                return Ok((path, release.to_owned()));
            }
        }
    }
    bail!("the kernel's package holds no kernel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_suite_comes_first_and_none_twice() {
        assert_eq!(suites("bookworm", None), ["bookworm", "trixie", "forky", "sid"]);
        assert_eq!(suites("forky", None), ["forky", "trixie", "sid"]);
        assert_eq!(suites("bookworm", Some("sid")), ["sid"]);
    }
}
